//! What is deleted, what is not, and package directories.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use yard_registry::{
    GarbageReport,
    testing::{StandInProver, bytes},
};
use yard_types::{Selector, VersionNumber};

use crate::yard::{Yard, model};

fn package_count(yard: &Yard) -> usize {
    fs_err::read_dir(yard.directory.path().join("packages")).unwrap().count()
}

#[tokio::test]
async fn only_what_nothing_points_at_is_deleted() {
    let yard = Yard::new().await;
    yard.push("m", &[("model.onnx", "kept"), ("shared.txt", "shared")]).await.unwrap();
    yard.push("m", &[("model.onnx", "bad:refused"), ("shared.txt", "shared")]).await.unwrap_err();
    let (open, aborted) = (yard.begin("m").await, yard.begin("m").await);
    yard.put(open, "model.onnx", "replaced").await.unwrap();
    yard.put(open, "model.onnx", "open").await.unwrap();
    yard.put(aborted, "model.onnx", "aborted").await.unwrap();
    yard.registry.abort_upload(aborted).await.unwrap();

    let report = yard.registry.gc().await.unwrap();
    let bytes = ("bad:refused".len() + "replaced".len() + "aborted".len()) as u64;
    assert_eq!(report, GarbageReport { deleted: 3, bytes, temporary: 0, kept: 3 });
    assert_eq!(yard.registry.gc().await.unwrap(), GarbageReport { kept: 3, ..Default::default() });
    assert!(yard.registry.commit(open, false).await.unwrap().created);
    let version = yard.registry.resolve(&model("m"), &Selector::Production).await.unwrap();
    yard.registry.archive(&model("m"), VersionNumber::new(2).unwrap(), &crate::yard::actor()).await.unwrap();
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 0, "an archived version keeps its files");
    yard.registry.open_package(&version).await.unwrap();
}

#[tokio::test]
async fn uploads_that_ran_out_of_time_are_collected_and_forgotten_later() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "late").await.unwrap();
    yard.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(yard.registry.gc().await.unwrap().deleted, 1);
    assert!(yard.registry.upload(upload).await.is_ok());
    yard.clock.advance(Duration::from_secs(30 * 24 * 3600));
    yard.registry.gc().await.unwrap();
    assert!(yard.registry.upload(upload).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn collecting_garbage_never_takes_what_is_being_pushed() {
    let yard = Arc::new(Yard::with(StandInProver::default(), |options| options.concurrent_proofs = 4).await);
    let done = Arc::new(AtomicBool::new(false));
    let collector = tokio::spawn({
        let (yard, done) = (Arc::clone(&yard), Arc::clone(&done));
        async move {
            let mut collections = 0;
            while !done.load(Ordering::Acquire) {
                yard.registry.gc().await.unwrap();
                collections += 1;
            }
            collections
        }
    });
    // Each round makes the contents of the other pushers garbage again and again: they fail, so that nothing but the
    // next push refers to the same bytes.
    let pushers: Vec<_> = (0..4)
        .map(|pusher| {
            let yard = Arc::clone(&yard);
            tokio::spawn(async move {
                for round in 0..15 {
                    let outcome = yard.push("f", &[("model.onnx", "bad:always"), ("a.txt", "shared")]).await;
                    assert!(outcome.unwrap_err().to_string().contains("always"), "the files were there");
                    let content = format!("{pusher} {round}");
                    yard.push("m", &[("model.onnx", &content), ("a.txt", "shared")]).await.unwrap();
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap();
    }
    done.store(true, Ordering::Release);
    assert!(collector.await.unwrap() > 1);

    let versions = yard.registry.versions(&model("m")).await.unwrap();
    assert_eq!(versions.len(), 60);
    for version in &versions {
        yard.registry.open_package(version).await.unwrap();
    }
    let report = yard.registry.gc().await.unwrap();
    assert_eq!((report.kept, report.temporary), (61, 0), "60 models and the file they share");
}

#[tokio::test]
async fn leases_of_one_version_share_a_directory_that_goes_with_the_last() {
    let yard = Yard::new().await;
    yard.push("m", &[("model.onnx", "w"), ("a/b.txt", "x")]).await.unwrap();
    yard.push("n", &[("model.onnx", "other")]).await.unwrap();
    let version = yard.registry.resolve(&model("m"), &Selector::Production).await.unwrap();
    let other = yard.registry.resolve(&model("n"), &Selector::Production).await.unwrap();
    let (first, second) =
        tokio::join!(yard.registry.open_package(&version), yard.registry.open_package(&version));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.path(), second.path());
    let elsewhere = yard.registry.open_package(&other).await.unwrap();
    assert_ne!(first.path(), elsewhere.path());
    drop(first);
    assert_eq!(fs_err::read(second.path().join("a/b.txt")).unwrap(), b"x");
    let path = second.path().to_owned();
    let again = yard.registry.open_package(&version).await.unwrap();
    drop(second);
    assert_eq!(again.path(), path);
    drop(again);
    // The removal runs on a thread of the runtime; the same version can be opened at once all the same.
    let anew = yard.registry.open_package(&version).await.unwrap();
    assert_ne!(anew.path(), path);
    assert!(anew.path().join("model.onnx").is_file());
    drop((anew, elsewhere));
    let yard = yard.reopen().await;
    assert_eq!(package_count(&yard), 0);
}

#[tokio::test]
async fn a_package_whose_content_is_gone_cannot_be_opened_and_leaves_nothing() {
    let yard = Yard::new().await;
    yard.push("m", &[("model.onnx", "w")]).await.unwrap();
    let version = yard.registry.resolve(&model("m"), &Selector::Production).await.unwrap();
    let digest = version.files[0].digest;
    yard.artifacts.delete(&digest).await.unwrap();
    yard.registry.open_package(&version).await.unwrap_err();
    yard.artifacts.put(bytes("w"), 9, Some(digest)).await.unwrap();
    yard.registry.open_package(&version).await.unwrap();
}
