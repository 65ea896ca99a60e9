//! Keys and the audit log.

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

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CreatedKey").field("key", &self.key).field("secret", &"[hidden]").finish()
    }
}
