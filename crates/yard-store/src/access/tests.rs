use std::{sync::Arc, time::Instant};

use yard_access::{
    Access, Actor, AllowedModels, KeyId, KeyStore, NewAuditEntry, NewKey, QueueWeight, Role, Rotation,
    TokenBudget, store_suite::Stores,
};
use yard_types::Timestamp;

use super::*;
use crate::{Database, DatabaseOptions};

async fn database(directory: &tempfile::TempDir) -> Database {
    Database::open(&directory.path().join("t.db"), &DatabaseOptions::default()).await.unwrap()
}

async fn open() -> Stores {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    Stores {
        keys: Arc::new(SqliteKeyStore::new(database.clone())),
        audit: Arc::new(SqliteAuditStore::new(database.clone())),
        usage: Arc::new(SqliteUsageStore::new(database)),
        keep_alive: Box::new(directory),
    }
}

yard_access::access_store_suite!(open());

async fn access(database: &Database) -> Access {
    let keys = Arc::new(SqliteKeyStore::new(database.clone()));
    let audit = Arc::new(SqliteAuditStore::new(database.clone()));
    Access::open(keys, audit, Instant::now()).await.unwrap()
}

#[tokio::test]
async fn keys_and_the_trail_survive_closing_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let first = database(&directory).await;
    let file = AdminKeyFile::new(directory.path());
    let made = access(&first).await.ensure_admin_key(Timestamp(1), |text| file.write(text)).await.unwrap();
    let made = made.expect("the first start makes a key");
    first.close().await;

    let second = database(&directory).await;
    let access = access(&second).await;
    assert!(access.ensure_admin_key(Timestamp(2), |_| panic!("a key is there")).await.unwrap().is_none());
    let kept = file.read().unwrap().expect("the key was kept");
    assert_eq!(access.authenticate(kept.reveal(), Timestamp(2)).unwrap().key_id(), Some(made.record.id));
    let trail = access.audit_trail(None, 10).await.unwrap();
    assert_eq!(trail.len(), 1);
    assert_eq!((trail[0].action.as_str(), trail[0].actor.as_str()), ("key.create", "system:start"));
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    let access = access(&database).await;
    let new = NewKey {
        name: "app".into(),
        role: Role::Consumer,
        models: AllowedModels::parse(["digits"]).unwrap(),
        rate: None,
        budget: TokenBudget::default(),
        weight: QueueWeight::default(),
        expires_at: None,
    };
    let created = access.create_key(new, &Actor::system("test"), Timestamp(1)).await.unwrap();
    database.close().await;
    let secret = created.text.reveal().rsplit('_').next().unwrap().to_owned();
    for entry in fs_err::read_dir(directory.path()).unwrap() {
        let bytes = fs_err::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn the_database_refuses_to_rewrite_the_trail() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    let entry = NewAuditEntry::new(Timestamp(1), Actor::system("test"), "key.create", "x", "");
    yard_access::AuditStore::append(&SqliteAuditStore::new(database.clone()), &entry).await.unwrap();
    for text in ["UPDATE audit_entries SET actor = 'someone else'", "DELETE FROM audit_entries"] {
        let mut transaction = database.write().await.unwrap();
        let error = sqlx::query(text).execute(&mut *transaction).await.unwrap_err().to_string();
        assert!(error.contains("audit entries are never"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_lost_its_models_is_an_error_and_not_a_key_that_sees_all() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    let text = "INSERT INTO access_keys (id, name, role, all_models, created_at, secret_sha256)
                VALUES ('00000000000a', 'x', 'consumer', 0, 1, ?)";
    let mut transaction = database.write().await.unwrap();
    sqlx::query(text).bind("0".repeat(64)).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let outcome = SqliteKeyStore::new(database).keys().await;
    assert!(matches!(outcome, Err(AccessStoreError::Backend(_))), "{outcome:?}");
    assert_eq!("00000000000a".parse::<KeyId>(), Ok(KeyId::from_bits(10)));
}

#[tokio::test]
async fn the_file_follows_the_rotation_of_its_key_and_of_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    let file = AdminKeyFile::new(directory.path());
    let access = access(&database).await.with_keeper(Arc::new(file.clone()));
    let now = Timestamp(1);
    let first = access.ensure_admin_key(now, |text| file.write(text)).await.unwrap().unwrap();
    let another = access.new_admin_key(now, |_| Ok(())).await.unwrap();
    let actor = Actor::system("test");

    access.rotate(another.record.id, Rotation::AtOnce, &actor, now).await.unwrap();
    assert_eq!(file.read().unwrap().unwrap().reveal(), first.text.reveal());

    let rotated = access.rotate(first.record.id, Rotation::AtOnce, &actor, now).await.unwrap();
    let kept = file.read().unwrap().unwrap();
    assert_eq!(kept.reveal(), rotated.text.reveal());
    assert!(access.authenticate(kept.reveal(), now).is_ok());
    assert!(access.authenticate(first.text.reveal(), now).is_err());
}
