//! Data sets: from files to an immutable version.

use std::time::Duration;

use yard_registry::{
    RegistryError, UploadId,
    testing::{StandInProver, bytes},
};
use yard_types::{Coded as _, ErrorCode, VersionNumber};

use crate::yard::{Yard, actor, model};

async fn begin(yard: &Yard, name: &str) -> UploadId {
    yard.registry.begin_data_set(model(name), actor()).await.unwrap().id
}

async fn put(yard: &Yard, draft: UploadId, path: &str, content: &str) -> Result<(), RegistryError> {
    yard.registry.put_data_file(draft, path.parse().unwrap(), bytes(content), None).await.map(drop)
}

async fn commit(yard: &Yard, draft: UploadId, schema: &str) -> Result<(u32, bool), RegistryError> {
    let outcome = yard.registry.commit_data_set(draft, schema.to_owned(), "{}".to_owned()).await?;
    Ok((outcome.version.get(), outcome.created))
}

#[tokio::test]
async fn files_become_a_data_set_that_survives_a_restart_and_garbage_collection() {
    let yard = Yard::new().await;
    let draft = begin(&yard, "d").await;
    put(&yard, draft, "train.csv", "a,b\n1,2\n").await.unwrap();
    put(&yard, draft, "images/1.png", "\u{89}PNG").await.unwrap();
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 0, "a draft holds what it has");
    let described = yard.registry.open_data_set_draft(draft).await.unwrap();
    assert_eq!(fs_err::read(described.path().join("train.csv")).unwrap(), b"a,b\n1,2\n");
    drop(described);
    assert_eq!(commit(&yard, draft, "{\"label\":\"b\"}").await.unwrap(), (1, true));

    let yard = yard.reopen().await;
    let report = yard.registry.gc().await.unwrap();
    assert_eq!((report.deleted, report.kept), (0, 2));
    let record = yard.registry.data_set(&model("d"), None).await.unwrap();
    assert_eq!(
        (record.number, record.files, record.schema.as_str()),
        (VersionNumber::FIRST, 2, "{\"label\":\"b\"}")
    );
    let open = yard.registry.open_data_set(&record).await.unwrap();
    assert!(open.path().join("images/1.png").is_file());
    assert_eq!(yard.registry.data_sets().await.unwrap(), [record]);
}

#[tokio::test]
async fn the_same_files_are_one_version_but_another_schema_makes_another() {
    let yard = Yard::new().await;
    for (schema, expected) in [("{}", (1, true)), ("{}", (1, false)), ("{\"label\":\"b\"}", (2, true))] {
        let draft = begin(&yard, "d").await;
        put(&yard, draft, "train.csv", "a,b\n").await.unwrap();
        assert_eq!(commit(&yard, draft, schema).await.unwrap(), expected);
        assert!(matches!(commit(&yard, draft, schema).await, Err(RegistryError::UnknownUpload(_))));
    }
    assert_eq!(yard.registry.data_set_versions(&model("d")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_version_of_a_data_set_is_never_changed() {
    let yard = Yard::new().await;
    let draft = begin(&yard, "d").await;
    put(&yard, draft, "train.csv", "a,b\n").await.unwrap();
    commit(&yard, draft, "{}").await.unwrap();
    for change in ["UPDATE data_set_versions SET schema = ''", "UPDATE data_set_files SET size = 0"] {
        let mut transaction = yard.database.write().await.unwrap();
        let error = sqlx::query(change).execute(&mut *transaction).await.unwrap_err().to_string();
        assert!(error.contains("never changed"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_by_name() {
    let yard = Yard::new().await;
    let unknown = yard.registry.data_set(&model("d"), None).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.to_string().as_str()),
        (ErrorCode::NotFound, "data set 'd' is not found")
    );
    assert_eq!(yard.registry.data_set_versions(&model("d")).await.unwrap_err().code(), ErrorCode::NotFound);
    let draft = begin(&yard, "d").await;
    let empty = commit(&yard, draft, "{}").await.unwrap_err();
    assert_eq!(empty.code(), ErrorCode::InvalidArgument);
    put(&yard, draft, "a", "1").await.unwrap();
    put(&yard, draft, "a/b.csv", "1").await.unwrap();
    let collision = commit(&yard, draft, "{}").await.unwrap_err();
    assert!(matches!(collision, RegistryError::PathCollision { .. }), "{collision}");
    yard.registry.abort_data_set(draft).await.unwrap();
    assert!(matches!(put(&yard, draft, "a", "1").await, Err(RegistryError::UnknownUpload(_))));
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 1);
    let draft = begin(&yard, "d").await;
    put(&yard, draft, "a.csv", "1").await.unwrap();
    commit(&yard, draft, "{}").await.unwrap();
    let version = yard.registry.data_set(&model("d"), VersionNumber::new(7).ok()).await.unwrap_err();
    assert_eq!(version.to_string(), "data set 'd' has no version 7");
}

#[tokio::test]
async fn limits_on_data_sets_hold() {
    let yard = Yard::with(StandInProver::default(), |options| {
        options.max_file_bytes = 10;
        options.max_package_bytes = 15;
        options.max_data_files = 2;
        options.max_open_uploads_per_actor = 2;
    })
    .await;
    let draft = begin(&yard, "d").await;
    let message = async |path: &str, content: &str| {
        let error = put(&yard, draft, path, content).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PayloadTooLarge, "{error}");
        error.to_string()
    };
    assert!(message("a.csv", "0123456789x").await.contains("larger than 10"));
    put(&yard, draft, "a.csv", "0123456789").await.unwrap();
    assert!(message("b.csv", "012345").await.contains("data set would be larger than 15"));
    put(&yard, draft, "b.csv", "01234").await.unwrap();
    assert!(message("c.csv", "").await.contains("at most 2 files"));
    begin(&yard, "d").await;
    let error = yard.registry.begin_data_set(model("d"), actor()).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooManyOwnUploads { limit: 2, .. }), "{error}");
    yard.clock.advance(Duration::from_secs(24 * 3600 + 1));
    begin(&yard, "d").await;
    assert!(
        matches!(commit(&yard, draft, "{}").await, Err(RegistryError::UnknownUpload(_))),
        "it took too long"
    );
}
