//! Where Modelyard keeps what it knows: rows in SQLite, bytes by digest over `object_store`.
//!
//! It implements the store traits of other crates and holds no rules of its own: what may be promoted, deleted or let in
//! is decided there. It is not a general SQL layer either: no SQL leaves this crate.

#![warn(missing_docs)]

mod access;
mod artifacts;
mod batches;
mod columns;
mod data_directory;
mod database;
mod sqlite_jobs;
mod sqlite_registry;

pub use access::{AdminKeyFile, SqliteAuditStore, SqliteKeyStore, SqliteUsageStore};
pub use artifacts::ObjectArtifacts;
pub use batches::SqliteBatchStore;
pub use data_directory::{DataDirectory, DataDirectoryError};
pub use database::{Database, DatabaseError, DatabaseOptions};
pub use sqlite_jobs::SqliteJobStore;
pub use sqlite_registry::SqliteRegistryStore;
