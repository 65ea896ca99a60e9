//! What is kept of a key.

use yard_types::Timestamp;

use crate::{AllowedModels, KeyId, QueueWeight, RateLimit, Role, SecretHash, TokenBudget};

/// A key as lists show it: everything but what is kept of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// What people call it. Need not be unique.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Which models it may see.
    pub models: AllowedModels,
    /// How often it may be used; `None` for as often as the server can bear.
    pub rate: Option<RateLimit>,
    /// How many tokens of language models it may use.
    pub budget: TokenBudget,
    /// Its share of language models beside other keys.
    pub weight: QueueWeight,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A secret that was replaced, but is taken for a while yet.
#[derive(Debug, Clone, Copy)]
pub struct PreviousSecret {
    /// What is kept of it.
    pub hash: SecretHash,
    /// From when it is no longer taken.
    pub valid_until: Timestamp,
}

/// A key as the store keeps it.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// What may be shown.
    pub record: KeyRecord,
    /// What is kept of its secret.
    pub secret: SecretHash,
    /// The secret before that, while it is still taken.
    pub previous: Option<PreviousSecret>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What people call it: 1 to 64 characters, none of them a control character.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Which models it may see; an admin key sees all.
    pub models: AllowedModels,
    /// How often it may be used.
    pub rate: Option<RateLimit>,
    /// How many tokens of language models it may use.
    pub budget: TokenBudget,
    /// Its share of language models beside other keys.
    pub weight: QueueWeight,
    /// From when it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

// === impl KeyRecord ===

impl KeyRecord {
    /// Whether the key can be used at this moment: neither revoked nor expired.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}
