//! Files and batches on SQLite: the suite, what is there after closing, and what garbage collection leaves.

use std::sync::Arc;

use yard_batches::{
    BatchStatus, BatchStore, LineRecord, Owner, StoredFile, batch_store_suite,
    testing::store_suite::{batch, file},
};
use yard_registry::testing::bytes;
use yard_store::{Database, DatabaseOptions, SqliteBatchStore};
use yard_types::Timestamp;

use crate::yard::Yard;

async fn open() -> (Arc<dyn BatchStore>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    (Arc::new(SqliteBatchStore::new(database)), directory)
}

batch_store_suite!(open());

#[tokio::test]
async fn outcomes_survive_closing_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    let store = SqliteBatchStore::new(database.clone());
    let made = batch(1, "a");
    store.insert_batch(&made, 10, 10).await.unwrap();
    store.begin(&made.id, 2, Timestamp(3)).await.unwrap();
    let line = LineRecord {
        line: 1,
        custom_id: "one".to_owned(),
        status: 200,
        request_id: "r".to_owned(),
        body: "{}".to_owned(),
    };
    assert!(store.put_line(&made.id, &line).await.unwrap());
    database.close().await;

    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    let store = SqliteBatchStore::new(database);
    let open = store.open_batches().await.unwrap();
    assert_eq!((open.len(), open[0].status, open[0].counts.completed), (1, BatchStatus::InProgress, 1));
    assert!(!store.put_line(&made.id, &line).await.unwrap());
    assert_eq!(store.lines(&made.id, true, 0, 9).await.unwrap(), [line]);
}

#[tokio::test]
async fn garbage_collection_leaves_files_and_the_input_of_open_batches() {
    let yard = Yard::new().await;
    let store = SqliteBatchStore::new(yard.database.clone());
    let staged = yard.registry.stage_content(bytes("the lines"), 100).await.unwrap();
    let digest = staged.artifact().digest;
    {
        let _hold = yard.registry.hold_contents().await;
        staged.publish().await.unwrap();
        store.insert_file(&StoredFile { digest, ..file(1, "a") }, 10, u64::MAX).await.unwrap();
    }
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 0);
    let made = yard_batches::Batch { input_digest: digest, ..batch(1, "a") };
    store.insert_batch(&made, 10, 10).await.unwrap();
    store.remove_file(&Owner("a".to_owned()), &made.input_file).await.unwrap();
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 0, "the batch is still open");
    assert_eq!(yard.registry.read_content(&digest).await.unwrap().0, 9);
    store.fail(&made.id, &[], Timestamp(9)).await.unwrap();
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 1);
}

#[tokio::test]
async fn what_belongs_to_a_key_goes_thirty_days_after_it_was_revoked() {
    const DAYS: i64 = 30 * 24 * 3_600_000;
    let yard = Yard::new().await;
    let store = SqliteBatchStore::new(yard.database.clone());
    for (key, revoked_at) in [("revokedkey01", Some(1_000_i64)), ("presentkey01", None)] {
        let mut transaction = yard.database.write().await.unwrap();
        sqlx::query(
            "INSERT INTO access_keys (id, name, role, all_models, created_at, revoked_at, secret_sha256)
             VALUES (?, 'k', 'consumer', 1, 0, ?, ?)",
        )
        .bind(key)
        .bind(revoked_at)
        .bind("0".repeat(64))
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
    }
    let owners = ["revokedkey01", "presentkey01", ""];
    for (number, owner) in (1..).zip(owners) {
        store.insert_file(&file(number, owner), 10, u64::MAX).await.unwrap();
        let made = batch(number, owner);
        store.insert_batch(&made, 10, 10).await.unwrap();
        store.fail(&made.id, &[], Timestamp(9)).await.unwrap();
    }
    let open = batch(4, "revokedkey01");
    store.insert_batch(&open, 10, 10).await.unwrap();
    assert_eq!(store.remove_expired_files(Timestamp(DAYS + 999)).await.unwrap(), 0);
    assert_eq!(store.remove_expired_files(Timestamp(DAYS + 1_000)).await.unwrap(), 1);
    assert_eq!(store.remove_expired_files(Timestamp(DAYS + 1_000)).await.unwrap(), 0);
    for (owner, files, batches) in [("revokedkey01", 0, 1), ("presentkey01", 1, 1), ("", 1, 1)] {
        let owner = Owner(owner.to_owned());
        assert_eq!(store.usage(&owner).await.unwrap().uploaded, files);
        assert_eq!(store.batches(&owner, None, 9).await.unwrap().len(), batches);
    }
}
