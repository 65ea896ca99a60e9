//! Keys, the audit trail, usage and the file of the admin key.

mod admin_key_file;
mod audit;
mod keys;
mod usage;

pub use admin_key_file::AdminKeyFile;
pub use audit::SqliteAuditStore;
pub use keys::SqliteKeyStore;
pub use usage::SqliteUsageStore;

use yard_access::AccessStoreError;

/// Wraps what went wrong below: in SQLite, or in a row that holds what nobody wrote there.
fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AccessStoreError {
    AccessStoreError::Backend(error.into())
}

#[cfg(test)]
mod tests;
