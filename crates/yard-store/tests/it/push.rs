//! From files to a version.

use yard_registry::testing::collect;
use yard_types::{Selector, UploadState, VersionNumber};

use crate::yard::{Yard, model};

#[tokio::test]
async fn files_become_a_version_that_survives_a_restart() {
    let yard = Yard::new().await;
    let outcome = yard.push("m", &[("model.onnx", "weights"), ("labels/a.json", "[1]")]).await.unwrap();
    assert_eq!((outcome.version, outcome.created), (VersionNumber::FIRST, true));

    let yard = yard.reopen().await;
    let version = yard.registry.resolve(&model("m"), &Selector::Production).await.unwrap();
    assert_eq!(version.number, VersionNumber::FIRST);
    assert_eq!(version.proof.main.as_str(), "model.onnx");
    let paths: Vec<&str> = version.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["labels/a.json", "model.onnx"]);
    let path = "model.onnx".parse().unwrap();
    let (size, content) = yard.registry.read_file(&model("m"), version.number, &path).await.unwrap();
    assert_eq!((size, collect(content).await.unwrap()), (7, b"weights".to_vec()));
    let lease = yard.registry.open_package(&version).await.unwrap();
    assert_eq!(fs_err::read(lease.path().join("labels/a.json")).unwrap(), b"[1]");
}

#[tokio::test]
async fn a_refused_model_leaves_no_version() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "bad: no such operator").await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(error.to_string().contains("no such operator"), "{error}");
    let upload = yard.registry.upload(upload).await.unwrap();
    assert_eq!(upload.state, UploadState::Failed);
    assert_eq!(upload.failure.as_deref(), Some(" no such operator"));
    assert_eq!(yard.registry.models().await.unwrap(), []);
}
