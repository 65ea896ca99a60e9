//! Keys, the audit log and usage.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Makes a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyBody {
    /// What the key is for, in a person's words; 1 to 64 characters.
    pub name: String,
    /// `admin`, `publisher` or `consumer`.
    pub role: String,
    /// The models it may see: names, or beginnings of names with `*` after them. All when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub models: Option<Vec<String>>,
    /// Most requests a minute; no limit when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requests_per_minute: Option<u32>,
    /// Most requests at once after a pause; a sixth of a minute's when left out, at least 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub burst: Option<u32>,
    /// Most tokens a minute of the clock, of prompts and answers of language models together; no limit when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_minute: Option<u64>,
    /// Most tokens a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_day: Option<u64>,
    /// Most tokens a month of UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_month: Option<u64>,
    /// Most tokens of one request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_request: Option<u64>,
    /// Its share of language models beside other keys, from 1 to 1000: twice the weight gets twice the tokens. 1 when left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<u32>,
    /// When it stops working, as an RFC 3339 moment; never when left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<String>,
}

/// A key, without its secret, which nobody can read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyBody {
    /// Its id, the middle part of the key.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// `admin`, `publisher` or `consumer`.
    pub role: String,
    /// The models it may see; all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Most requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Most requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Most tokens a minute of the clock, of prompts and answers of language models together; no limit when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Most tokens a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Most tokens a month of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// Most tokens of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_request: Option<u64>,
    /// Its share of language models beside other keys, from 1 to 1000.
    pub weight: u32,
    /// When it was made.
    pub created_at: String,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// By the time they were made.
    pub keys: Vec<KeyBody>,
}

/// A new key or a new secret of an old one. The secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The key.
    pub key: KeyBody,
    /// What to send as `Authorization: Bearer`.
    pub secret: String,
}

/// Gives a key a new secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateKey {
    /// How long the old secret goes on working, in seconds; 0 stops it at once.
    pub grace_seconds: u32,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntryBody {
    /// Its place in the log.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// The id of the key that did it, or a part of the server.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More, in short.
    pub detail: String,
}

/// A page of the audit log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<AuditEntryBody>,
    /// Pass it as `before` to get the next page; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// What one key used of one language model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageBody {
    /// The id of the key; left out where the server asks for no keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The model.
    pub model: String,
    /// The day of UTC on which the requests came, such as `2026-01-31`.
    pub day: String,
    /// Requests that used tokens.
    pub requests: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of their answers.
    pub answer_tokens: u64,
}

/// What keys used: all keys for an admin, the asking key alone for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageList {
    /// By day, then by key, then by model; at most 10,000.
    pub usage: Vec<UsageBody>,
    /// Whether there is more: ask again from the day of the last of these on, which may not be complete.
    pub truncated: bool,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CreatedKey").field("key", &self.key).field("secret", &"[hidden]").finish()
    }
}
