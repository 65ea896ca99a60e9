//! Keys, the audit log and usage.

use reqwest::Method;
use yard_api::management::{AuditPage, CreatedKey, KeyBody, KeyList, NewKeyBody, RotateKey, UsageList};

use crate::{Client, ClientError};

/// Which part of the audit log to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only entries before this place in the log.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which days of usage to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageQuery {
    /// The first day of UTC, such as `2026-01-31`; that of the month of `to` when left out.
    pub from: Option<String>,
    /// The last day of UTC; today when left out.
    pub to: Option<String>,
}

impl Client {
    /// All keys, without their secrets.
    pub async fn keys(&self) -> Result<Vec<KeyBody>, ClientError> {
        let list: KeyList = self.get_json(self.url(["api", "v1", "keys"])).await?;
        Ok(list.keys)
    }

    /// Makes a key. The answer is the only time its secret is seen.
    pub async fn create_key(&self, key: &NewKeyBody) -> Result<CreatedKey, ClientError> {
        self.send_json(Method::POST, self.url(["api", "v1", "keys"]), key).await
    }

    /// Gives a key a new secret; the old one goes on for the grace time.
    pub async fn rotate_key(&self, id: &str, rotation: &RotateKey) -> Result<CreatedKey, ClientError> {
        self.send_json(Method::POST, self.url(["api", "v1", "keys", id, "rotate"]), rotation).await
    }

    /// Stops a key for good.
    pub async fn revoke_key(&self, id: &str) -> Result<(), ClientError> {
        self.done(self.request(Method::DELETE, self.url(["api", "v1", "keys", id]))).await
    }

    /// Tokens of language models by key, model and day, and whether there is more than one answer takes.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageList, ClientError> {
        let mut url = self.url(["api", "v1", "usage"]);
        for (name, day) in [("from", &query.from), ("to", &query.to)] {
            if let Some(day) = day {
                url.query_pairs_mut().append_pair(name, day);
            }
        }
        self.get_json(url).await
    }

    /// A page of the audit log, newest first.
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditPage, ClientError> {
        let mut url = self.url(["api", "v1", "audit"]);
        if let Some(before) = query.before {
            url.query_pairs_mut().append_pair("before", &before.to_string());
        }
        if let Some(limit) = query.limit {
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
        }
        self.get_json(url).await
    }
}
