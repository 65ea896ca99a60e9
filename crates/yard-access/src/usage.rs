//! What keys have used, by model and day, and where that is kept.

use async_trait::async_trait;
use yard_types::ModelName;

use crate::{AccessStoreError, KeyId, UtcDay};

/// What one key used of one model on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The key; `None` on a server that asks for no keys.
    pub key: Option<KeyId>,
    /// The model, whichever version answered.
    pub model: ModelName,
    /// The day of UTC on which the requests were admitted.
    pub day: UtcDay,
    /// Requests that used tokens.
    pub requests: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of their answers.
    pub answer_tokens: u64,
}

/// What was used, as far as it goes into one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePage {
    /// By day, then by key (none first), then by model.
    pub rows: Vec<UsageRow>,
    /// Whether there is more behind the last row.
    pub truncated: bool,
}

/// Which usage to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageFilter {
    /// From this day.
    pub from: UtcDay,
    /// To this day, which is read too.
    pub to: UtcDay,
    /// Only of this key; `None` for all, and for what was used without a key.
    pub key: Option<KeyId>,
}

/// How many tokens a key used in some days, of all models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedTokens {
    /// The key.
    pub key: KeyId,
    /// Of prompts and answers together.
    pub tokens: u64,
}

/// Rows of usage.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds to what is there, all rows in one transaction; after it returns they survive a crash.
    async fn add(&self, rows: &[UsageRow]) -> Result<(), AccessStoreError>;
    /// The first rows, by day, then by key (none first), then by model; at most `limit`.
    async fn usage(&self, filter: &UsageFilter, limit: u32) -> Result<Vec<UsageRow>, AccessStoreError>;
    /// What each key used from one day to another, by key. What was used without a key is left out.
    async fn used_tokens(&self, from: UtcDay, to: UtcDay) -> Result<Vec<UsedTokens>, AccessStoreError>;
}
