//! The store suite on SQLite.

use std::sync::Arc;

use yard_registry::{RegistryStore, registry_store_suite};
use yard_store::{Database, DatabaseOptions, SqliteRegistryStore};

async fn open() -> (Arc<dyn RegistryStore>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    (Arc::new(SqliteRegistryStore::new(database)), directory)
}

registry_store_suite!(open());
