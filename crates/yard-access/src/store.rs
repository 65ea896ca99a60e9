//! What access control asks of the place where its rows are kept.

use async_trait::async_trait;
use yard_types::Timestamp;

use crate::{AuditEntry, KeyId, NewAuditEntry, PreviousSecret, SecretHash, StoredKey};

/// How the store fails.
#[derive(Debug, thiserror::Error)]
pub enum AccessStoreError {
    /// A key of this id is there already.
    #[error("a key {0} is there already")]
    Taken(KeyId),
    /// There is no key of this id.
    #[error("key {0} is not there")]
    Missing(KeyId),
    /// The key was revoked.
    #[error("key {0} was revoked")]
    Revoked(KeyId),
    /// Without this key, no usable admin key would be left.
    #[error("key {0} is the last admin key")]
    LastAdmin(KeyId),
    /// The store itself failed.
    #[error("the metadata store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Rows of keys. Every method is one transaction; after it returns the change survives a crash, and its audit entry
/// with it: neither is ever there without the other.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// All keys, also revoked ones, by the time they were made and then by id.
    async fn keys(&self) -> Result<Vec<StoredKey>, AccessStoreError>;
    /// Adds a key; [`AccessStoreError::Taken`] when there is one of its id.
    async fn insert_key(&self, key: &StoredKey, entry: &NewAuditEntry) -> Result<(), AccessStoreError>;
    /// Replaces what is kept of a key's secret and notes when; [`AccessStoreError::Missing`] without such a key,
    /// [`AccessStoreError::Revoked`] when it was revoked.
    async fn replace_secret(
        &self,
        id: KeyId,
        secret: &SecretHash,
        previous: Option<&PreviousSecret>,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError>;
    /// Revokes a key; [`AccessStoreError::Missing`] without such a key, [`AccessStoreError::Revoked`] when it was
    /// revoked before, [`AccessStoreError::LastAdmin`] when it is an admin key and no other admin key is usable at `at`.
    async fn revoke_key(
        &self,
        id: KeyId,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError>;
}

/// Rows of the audit trail.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds an entry and gives its number, which is larger than every number before it.
    async fn append(&self, entry: &NewAuditEntry) -> Result<u64, AccessStoreError>;
    /// The entries before number `before` (or the last ones), newest first, at most `limit`.
    async fn entries(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, AccessStoreError>;
}
