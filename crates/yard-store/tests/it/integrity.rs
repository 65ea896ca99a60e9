//! Broken promises are found, faults of the stores are contained, and old databases are read.

use std::path::PathBuf;

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use yard_registry::{CheckDepth, IntegrityFault, RegistryError, RegistryStore as _};
use yard_store::{Database, DatabaseOptions, SqliteRegistryStore};
use yard_types::{Coded as _, Digest, ErrorCode, UploadState, VersionNumber};

use crate::yard::{Yard, model};

fn blob(yard: &Yard, digest: &Digest) -> PathBuf {
    let digest = digest.to_string();
    yard.directory.path().join("artifacts/blobs/sha256").join(&digest[..2]).join(digest)
}

async fn faults(yard: &Yard, depth: CheckDepth) -> Vec<String> {
    yard.registry.check(depth).await.unwrap().iter().map(IntegrityFault::to_string).collect()
}

#[tokio::test]
async fn a_sound_registry_has_no_faults() {
    let yard = Yard::new().await;
    assert_eq!(faults(&yard, CheckDepth::Content).await, [""; 0]);
    yard.push("m", &[("model.onnx", "w"), ("a.txt", "shared")]).await.unwrap();
    yard.push("n", &[("model.onnx", "v"), ("a.txt", "shared")]).await.unwrap();
    assert_eq!(faults(&yard, CheckDepth::Content).await, [""; 0]);
}

#[tokio::test]
async fn files_that_are_gone_cut_or_changed_are_named() {
    let yard = Yard::new().await;
    let files = [("model.onnx", "weights"), ("gone.txt", "gone"), ("cut.txt", "whole"), ("bent.txt", "true")];
    yard.push("m", &files).await.unwrap();
    let version = yard.registry.version(&model("m"), VersionNumber::FIRST).await.unwrap();
    for file in &version.files {
        let path = blob(&yard, &file.digest);
        match file.path.as_str() {
            "gone.txt" => fs_err::remove_file(path).unwrap(),
            "cut.txt" => replace(path, "who"),
            "bent.txt" => replace(path, "fals"),
            _ => {}
        }
    }
    let of_m = |file: &str, fault: &str| format!("file '{file}' of version 1 of model 'm' {fault}");
    let (cut, gone) = (of_m("cut.txt", "has another size than it had"), of_m("gone.txt", "is missing"));
    assert_eq!(faults(&yard, CheckDepth::Presence).await, [cut.clone(), gone.clone()]);
    let bent = of_m("bent.txt", "has other content than it had");
    assert_eq!(faults(&yard, CheckDepth::Content).await, [bent, cut, gone]);
}

fn replace(path: PathBuf, content: &str) {
    fs_err::remove_file(&path).unwrap();
    fs_err::write(path, content).unwrap();
}

#[tokio::test]
async fn rows_that_disagree_are_named() {
    let yard = Yard::new().await;
    yard.push("m", &[("model.onnx", "w"), ("a.txt", "x")]).await.unwrap();
    let mut transaction = yard.database.write().await.unwrap();
    for statement in [
        "DELETE FROM version_files WHERE path = 'model.onnx'",
        "UPDATE versions SET state = 'archived', archived_at = 0",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(
        faults(&yard, CheckDepth::Presence).await,
        [
            "alias 'production' of model 'm' points at an archived version",
            "version 1 of model 'm' has other files than its digest says",
        ]
    );
}

#[tokio::test]
async fn content_that_vanishes_before_the_proof_fails_the_upload() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "w").await.unwrap();
    let digest = yard.registry.upload(upload).await.unwrap().files[0].digest;
    yard.artifacts.delete(&digest).await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    assert_eq!(yard.registry.upload(upload).await.unwrap().state, UploadState::Failed);
    assert_eq!(yard.registry.models().await.unwrap(), []);
}

#[tokio::test]
async fn a_version_that_cannot_be_written_fails_the_upload_and_leaves_nothing() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "w").await.unwrap();
    let mut transaction = yard.database.write().await.unwrap();
    // The last statement of the transaction that writes a version now fails.
    sqlx::query(
        "CREATE TRIGGER broken BEFORE INSERT ON alias_moves BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(matches!(error, RegistryError::Store(_)), "{error}");
    assert_eq!(error.to_string(), "the metadata store failed", "the caller is not told about SQL");
    assert_eq!(yard.registry.upload(upload).await.unwrap().state, UploadState::Failed);
    assert_eq!(yard.registry.models().await.unwrap(), []);
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 1);

    let mut transaction = yard.database.write().await.unwrap();
    sqlx::query("DROP TRIGGER broken").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let pushed = yard.push("m", &[("model.onnx", "w")]).await.unwrap();
    assert_eq!(pushed.version, VersionNumber::FIRST, "the failure used up no number");
}

// === the museum: databases as earlier programs left them ===

/// A database of the first program, rows and all. It is only ever read: a change of tables or columns that this test
/// does not survive would lock users out of their models.
#[tokio::test]
async fn the_first_database_is_opened_brought_up_to_date_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("modelyard.db");
    // A dump names tables before it makes them.
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).foreign_keys(false);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(include_str!("../museum/registry-0001.sql")).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    let store = SqliteRegistryStore::new(database);
    let digits = model("digits");
    let models = store.models().await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].serving.max_batch.map(usize::from), Some(32));
    let versions = store.versions(&digits).await.unwrap();
    let numbers: Vec<u32> = versions.iter().map(|version| version.number.get()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(versions[1].provenance.parent, Some(VersionNumber::FIRST));
    assert_eq!(versions[0].proof, yard_registry::testing::proof("model.onnx"));
    assert_eq!(versions[0].files.len(), 2);
    assert_eq!(store.alias_moves(&digits, &yard_types::AliasName::production(), 10).await.unwrap().len(), 3);
    assert_eq!(store.open_uploads().await.unwrap().len(), 1);
    let aliases = store.aliases().await.unwrap();
    assert_eq!(aliases.iter().map(|alias| alias.version.get()).collect::<Vec<_>>(), [2, 1]);
}
