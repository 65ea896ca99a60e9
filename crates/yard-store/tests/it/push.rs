//! From files to a version.

use std::{sync::Arc, time::Duration};

use yard_registry::{
    Actor, Provenance, RegistryError,
    testing::{StandInProver, bytes, collect},
};
use yard_types::{Coded as _, ErrorCode, Selector, UploadState, VersionNumber};

use crate::yard::{Yard, actor, model};

fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

#[tokio::test]
async fn files_become_a_version_that_survives_a_restart() {
    let yard = Yard::new().await;
    let outcome = yard.push("m", &[("model.onnx", "weights"), ("labels/a.json", "[1]")]).await.unwrap();
    assert_eq!((outcome.version, outcome.created), (VersionNumber::FIRST, true));
    let task = &yard.prover.tasks()[0];
    assert_eq!((task.main.as_str(), task.golden.as_ref()), ("model.onnx", None));

    let yard = yard.reopen().await;
    let version = yard.registry.resolve(&model("m"), &Selector::Production).await.unwrap();
    assert_eq!(version.number, VersionNumber::FIRST);
    assert_eq!(version.proof.main.as_str(), "model.onnx");
    let paths: Vec<&str> = version.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["labels/a.json", "model.onnx"]);
    let path = "model.onnx".parse().unwrap();
    let (size, content) = yard.registry.read_file(&model("m"), version.number, &path).await.unwrap();
    assert_eq!((size, collect(content).await.unwrap()), (7, b"weights".to_vec()));
    let other = yard.registry.read_file(&model("m"), version.number, &"x".parse().unwrap()).await;
    assert!(matches!(other.map(drop), Err(RegistryError::UnknownFile { .. })));
}

#[tokio::test]
async fn a_refused_model_leaves_no_version() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "bad:no such operator").await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(error.to_string().contains("no such operator"), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let record = yard.registry.upload(upload).await.unwrap();
    assert_eq!((record.state, record.failure.as_deref()), (UploadState::Failed, Some("no such operator")));
    assert_eq!(yard.registry.models().await.unwrap(), []);
    let again = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(matches!(&again, RegistryError::UploadFailed { reason, .. } if reason == "no such operator"));
    let late = yard.put(upload, "a.txt", "x").await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn a_prover_that_panics_fails_one_upload_and_nothing_else() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "panic").await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(matches!(error, RegistryError::ProofLost), "{error}");
    assert_eq!(yard.registry.upload(upload).await.unwrap().state, UploadState::Failed);
    assert!(yard.push("m", &[("model.onnx", "fine")]).await.unwrap().created);
}

#[tokio::test]
async fn identical_bytes_are_one_version_unless_told_otherwise() {
    let yard = Yard::new().await;
    let files = [("model.onnx", "same"), ("a.txt", "x")];
    assert!(yard.push("m", &files).await.unwrap().created);
    let again = yard.push("m", &files).await.unwrap();
    assert_eq!((again.version, again.created), (number(1), false));
    assert_eq!(yard.prover.tasks().len(), 1, "nothing was proven twice");
    assert!(yard.push("other", &files).await.unwrap().created, "another model has versions of its own");
    let renamed = yard.push("m", &[("model.onnx", "same"), ("b.txt", "x")]).await.unwrap();
    assert_eq!((renamed.version, renamed.created), (number(2), true), "names count as well");

    let upload = yard.begin("m").await;
    for (path, content) in files {
        yard.put(upload, path, content).await.unwrap();
    }
    let forced = yard.registry.commit(upload, true).await.unwrap();
    assert_eq!((forced.version, forced.created), (number(3), true));
    let repeated = yard.registry.commit(upload, true).await.unwrap();
    assert_eq!(
        (repeated.version, repeated.created),
        (number(3), false),
        "a commit sent twice makes one version"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_pushes_at_once_make_one_version() {
    let yard = Arc::new(Yard::with(StandInProver::default(), |options| options.concurrent_proofs = 1).await);
    let pushes: Vec<_> = (0..8)
        .map(|_| {
            let yard = Arc::clone(&yard);
            tokio::spawn(async move { yard.push("m", &[("model.onnx", "same")]).await.unwrap() })
        })
        .collect();
    let mut created = 0;
    for push in pushes {
        let outcome = push.await.unwrap();
        assert_eq!(outcome.version, number(1));
        created += usize::from(outcome.created);
    }
    assert_eq!((created, yard.prover.tasks().len()), (1, 1));
}

#[tokio::test]
async fn a_commit_goes_on_when_its_caller_leaves() {
    let yard = Yard::with(StandInProver::waiting(), |_| {}).await;
    let upload = yard.begin("m").await;
    yard.put(upload, "model.onnx", "weights").await.unwrap();
    let registry = yard.registry.clone();
    let call = tokio::spawn(async move { registry.commit(upload, false).await });
    yard.prover.begun().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(yard.registry.upload(upload).await.unwrap().state, UploadState::Proving);
    let second = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(matches!(second, RegistryError::UploadClosed { .. }), "{second}");
    yard.prover.finish_one();
    // The next proof is behind this one, so once it is done this one is.
    yard.prover.finish_one();
    yard.push("other", &[("model.onnx", "x")]).await.unwrap();
    let record = yard.registry.upload(upload).await.unwrap();
    assert_eq!((record.state, record.version), (UploadState::Ready, Some(number(1))));
}

#[tokio::test]
async fn a_proof_cut_short_by_a_crash_has_failed_and_a_half_sent_upload_goes_on() {
    let yard = Yard::with(StandInProver::waiting(), |_| {}).await;
    let (cut, half) = (yard.begin("m").await, yard.begin("m").await);
    yard.put(cut, "model.onnx", "weights").await.unwrap();
    yard.put(half, "labels.json", "[]").await.unwrap();
    yard.store.begin_proving(cut).await.unwrap();
    fs_err::create_dir_all(yard.directory.path().join("packages/7/left")).unwrap();

    let yard = yard.reopen().await;
    let record = yard.registry.upload(cut).await.unwrap();
    assert_eq!(record.state, UploadState::Failed);
    assert!(record.failure.unwrap().contains("stopped"));
    assert!(fs_err::read_dir(yard.directory.path().join("packages")).unwrap().next().is_none());
    yard.put(half, "model.onnx", "weights").await.unwrap();
    assert_eq!(yard.registry.commit(half, false).await.unwrap().version, number(1));
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_can_be_mended() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert!(error.to_string().contains("no files"), "{error}");
    yard.put(upload, "labels.json", "[]").await.unwrap();
    let error = yard.registry.commit(upload, false).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    yard.put(upload, "net.onnx", "w").await.unwrap();
    yard.put(upload, "golden.json", "{}").await.unwrap();
    assert!(yard.registry.commit(upload, false).await.unwrap().created);
    let golden = yard.prover.tasks()[0].golden.clone();
    assert_eq!(golden.map(|path| path.to_string()).as_deref(), Some("golden.json"));
}

#[tokio::test]
async fn code_is_refused_by_name_and_by_content() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    for (path, content) in [
        ("model.pkl", "x"),
        ("model.pt", "x"),
        ("run.py", "x"),
        ("pytorch_model.bin", "PK\u{3}\u{4}archive/data.pkl"),
        ("weights.bin", "\u{7f}ELF\u{2}"),
    ] {
        let error = yard.put(upload, path, content).await.unwrap_err();
        assert!(matches!(error, RegistryError::RefusedFile { .. }), "{path}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
    assert_eq!(yard.registry.upload(upload).await.unwrap().files, []);
}

#[tokio::test]
async fn limits_on_files_and_packages_hold() {
    let yard = Yard::with(StandInProver::default(), |options| {
        options.max_file_bytes = 10;
        options.max_package_bytes = 18;
        options.max_files = 3;
    })
    .await;
    let upload = yard.begin("m").await;
    let message = async |path: &str, content: &str| {
        let error = yard.put(upload, path, content).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PayloadTooLarge, "{error}");
        error.to_string()
    };
    yard.put(upload, "model.onnx", "0123456789").await.unwrap();
    assert!(message("a.txt", "0123456789").await.contains("package"), "eight bytes are left for it");
    yard.put(upload, "a.txt", "012345").await.unwrap();
    assert!(message("b.txt", "012").await.contains("18 bytes"));
    assert!(message("model.onnx", "0123456789x").await.contains("file is larger than 10"));
    yard.put(upload, "a.txt", "0").await.unwrap();
    let folder = yard.put(upload, "a.txt/x", "0").await;
    assert!(matches!(folder, Err(RegistryError::PathCollision { .. })));
    yard.put(upload, "b.txt", "0").await.unwrap();
    assert!(message("c.txt", "").await.contains("at most 3 files"));
    yard.put(upload, "b.txt", "01").await.unwrap();
    assert!(yard.registry.commit(upload, false).await.unwrap().created);
}

#[tokio::test]
async fn a_file_that_arrives_changed_is_refused() {
    let yard = Yard::new().await;
    let upload = yard.begin("m").await;
    let announced = "0".repeat(64).parse().unwrap();
    let put =
        yard.registry.put_file(upload, "model.onnx".parse().unwrap(), bytes("x"), Some(announced)).await;
    assert_eq!(put.unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(yard.registry.upload(upload).await.unwrap().files, []);
}

#[tokio::test]
async fn unfinished_uploads_are_few_and_do_not_last() {
    let yard = Yard::with(StandInProver::default(), |options| options.max_open_uploads = 2).await;
    let (first, second) = (yard.begin("m").await, yard.begin("m").await);
    let begin = async || yard.registry.begin_upload(model("m"), actor(), Provenance::default()).await;
    assert!(matches!(begin().await, Err(RegistryError::TooManyUploads { limit: 2 })));
    yard.registry.abort_upload(first).await.unwrap();
    let third = begin().await.unwrap();
    // Something of both arrives all the time: only their age ends them.
    for _ in 0..24 {
        yard.clock.advance(Duration::from_secs(3600));
        for id in [second, third.id] {
            yard.put(id, "model.onnx", "1").await.unwrap();
        }
        assert!(begin().await.is_err());
    }
    yard.clock.advance(Duration::from_secs(1));
    begin().await.unwrap();
    for id in [second, third.id] {
        let record = yard.registry.upload(id).await.unwrap();
        assert_eq!(record.failure.as_deref(), Some("it was not committed in time"));
    }
    assert!(matches!(yard.registry.abort_upload(first).await, Err(RegistryError::UploadFailed { .. })));
}

#[tokio::test]
async fn one_key_that_forgets_its_uploads_does_not_stop_the_others() {
    let yard = Yard::with(StandInProver::default(), |options| options.max_open_uploads_per_actor = 2).await;
    let begin = async |by: &str| {
        yard.registry.begin_upload(model("m"), Actor(by.to_owned()), Provenance::default()).await
    };
    let oldest = begin("forgetful").await.unwrap().id;
    yard.clock.advance(Duration::from_secs(1));
    begin("forgetful").await.unwrap();
    let error = begin("forgetful").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains(&oldest.to_string()), "{error}");
    begin("other").await.unwrap();
    yard.registry.abort_upload(oldest).await.unwrap();
    begin("forgetful").await.unwrap();
    // Many at once get the last place once.
    let all = futures_util::future::join_all((0..8).map(|_| begin("hasty"))).await;
    assert_eq!(all.iter().filter(|begun| begun.is_ok()).count(), 2);
}

#[tokio::test]
async fn an_upload_of_which_nothing_arrives_for_an_hour_is_given_up() {
    let yard = Yard::new().await;
    let (forgotten, alive, arriving) = (yard.begin("m").await, yard.begin("m").await, yard.begin("m").await);
    let (pieces, receiver) = tokio::sync::mpsc::channel(1);
    let content = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece: &'static str| (Ok(piece.into()), receiver))
    });
    let slow = tokio::spawn({
        let registry = yard.registry.clone();
        async move { registry.put_file(arriving, "model.onnx".parse().unwrap(), Box::pin(content), None).await }
    });
    pieces.send("a slow ").await.unwrap();
    // There is room for another piece only after the first was taken: the file is on its way.
    pieces.send("beginning").await.unwrap();
    yard.clock.advance(Duration::from_secs(3000));
    yard.put(alive, "model.onnx", "1").await.unwrap();
    yard.clock.advance(Duration::from_secs(601));
    yard.registry.gc().await.unwrap();
    let failure = async |id| yard.registry.upload(id).await.unwrap().failure;
    assert_eq!(failure(forgotten).await.as_deref(), Some("nothing of it arrived for too long"));
    assert_eq!((failure(alive).await, failure(arriving).await), (None, None));
    drop(pieces);
    slow.await.unwrap().unwrap();
    yard.clock.advance(Duration::from_secs(3600));
    yard.registry.gc().await.unwrap();
    assert_eq!(failure(arriving).await, None, "its arrival was the last progress");
    assert!(failure(alive).await.is_some());
}

#[tokio::test]
async fn a_version_knows_where_it_comes_from() {
    let yard = Yard::new().await;
    yard.push("m", &[("model.onnx", "1")]).await.unwrap();
    let provenance = Provenance {
        parent: Some(number(1)),
        note: Some("n".repeat(4096)),
        origin: "push".into(),
        facts: vec![("seed".into(), "7".into())],
    };
    let begun = yard.registry.begin_upload(model("m"), actor(), provenance.clone()).await.unwrap();
    yard.put(begun.id, "model.onnx", "2").await.unwrap();
    yard.registry.commit(begun.id, false).await.unwrap();
    let version = yard.registry.version(&model("m"), number(2)).await.unwrap();
    assert_eq!((version.provenance, version.created_by), (provenance.clone(), actor()));

    let refused = [
        Provenance { parent: Some(number(9)), ..provenance.clone() },
        Provenance { note: Some("n".repeat(4097)), ..provenance.clone() },
        Provenance { facts: vec![(String::new(), String::new()); 65], ..provenance },
    ];
    for provenance in refused {
        assert!(yard.registry.begin_upload(model("m"), actor(), provenance).await.is_err());
    }
}
