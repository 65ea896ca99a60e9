//! Uploads.

use std::collections::BTreeSet;

use yard_types::{Digest, Timestamp, UploadState};

use super::{Store, digest, file, number, proving, upload, version, versions_of};
use crate::{StoreError, UploadId, UploadRecord};

async fn read(store: &Store, id: UploadId) -> UploadRecord {
    store.upload(id).await.unwrap().unwrap()
}

/// What is not a step of an upload's life is refused and changes nothing.
pub async fn uploads_go_through_their_states_and_no_others(store: Store) {
    versions_of(&store, "m", 1).await;
    let refused = |outcome: Result<(), StoreError>| matches!(outcome, Err(StoreError::Conflict(_)));
    let unknown = UploadId::from_bits(404);
    assert!(store.upload(unknown).await.unwrap().is_none());
    assert!(matches!(store.begin_proving(unknown).await, Err(StoreError::Missing(_))));
    assert!(matches!(store.fail_upload(unknown, "").await, Err(StoreError::Missing(_))));
    assert!(matches!(
        store.finish_upload(unknown, number(1), None, Timestamp(20)).await,
        Err(StoreError::Missing(_))
    ));

    let first = upload(1, "m", 30);
    store.insert_upload(&first).await.unwrap();
    assert_eq!(read(&store, first.id).await, first);
    assert!(refused(store.finish_upload(first.id, number(1), None, Timestamp(20)).await), "not proven yet");
    store.begin_proving(first.id).await.unwrap();
    assert!(refused(store.begin_proving(first.id).await));
    store.finish_upload(first.id, number(1), None, Timestamp(20)).await.unwrap();
    let finished = read(&store, first.id).await;
    assert_eq!((finished.state, finished.version), (UploadState::Ready, Some(number(1))));
    assert!(refused(store.fail_upload(first.id, "late").await));
    assert!(refused(store.finish_upload(first.id, number(1), None, Timestamp(20)).await));
    assert_eq!(read(&store, first.id).await, finished);

    for (id, begin) in [(2, false), (3, true)] {
        let failing = upload(id, "m", 30);
        store.insert_upload(&failing).await.unwrap();
        if begin {
            store.begin_proving(failing.id).await.unwrap();
        }
        store.fail_upload(failing.id, "it's \"bad\"").await.unwrap();
        let failed = read(&store, failing.id).await;
        assert_eq!((failed.state, failed.failure.as_deref()), (UploadState::Failed, Some("it's \"bad\"")));
        assert!(refused(store.begin_proving(failing.id).await));
        assert!(refused(store.fail_upload(failing.id, "again").await));
    }
}

/// The last file at a path counts, and files are told in the order of their paths.
pub async fn files_of_an_upload_are_replaced_by_path(store: Store) {
    let receiving = upload(1, "m", 0);
    store.insert_upload(&receiving).await.unwrap();
    for (path, fill) in [("z.json", 1), ("model.onnx", 2), ("a b/ü.txt", 3), ("model.onnx", 4)] {
        store.put_upload_file(receiving.id, &file(path, fill)).await.unwrap();
    }
    let files = read(&store, receiving.id).await.files;
    assert_eq!(files, [file("a b/ü.txt", 3), file("model.onnx", 4), file("z.json", 1)]);
}

/// From the moment it is being proven.
pub async fn a_closed_upload_takes_no_files(store: Store) {
    let missing = store.put_upload_file(UploadId::from_bits(404), &file("a", 1)).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))));
    let closed = proving(&store, 1, "m").await;
    let late = store.put_upload_file(closed.id, &file("a", 1)).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))));
    assert_eq!(read(&store, closed.id).await.files, []);
}

/// With their files.
pub async fn open_uploads_are_those_that_are_not_finished(store: Store) {
    let mut receiving = upload(1, "m", 5);
    receiving.files = vec![file("model.onnx", 1)];
    store.insert_upload(&receiving).await.unwrap();
    let being_proven = proving(&store, 2, "m").await;
    let failed = proving(&store, 3, "m").await;
    store.fail_upload(failed.id, "no").await.unwrap();
    let ready = proving(&store, 4, "m").await;
    store.insert_version(&version(&ready, 1)).await.unwrap();
    let open = store.open_uploads().await.unwrap();
    assert_eq!(open.len(), 2, "{open:?}");
    assert_eq!(open[0], receiving);
    assert_eq!((open[1].id, open[1].state), (being_proven.id, UploadState::Proving));
}

/// Those that are open stay, however old.
pub async fn finished_uploads_are_forgotten_with_age(store: Store) {
    let (old_open, old_failed, new_failed) = (upload(1, "m", 0), upload(2, "m", 0), upload(3, "m", 100));
    for each in [&old_open, &old_failed, &new_failed] {
        store.insert_upload(each).await.unwrap();
        store.put_upload_file(each.id, &file("model.onnx", 1)).await.unwrap();
    }
    store.fail_upload(old_failed.id, "no").await.unwrap();
    store.fail_upload(new_failed.id, "no").await.unwrap();
    assert_eq!(store.forget_uploads(Timestamp(100)).await.unwrap(), 1);
    assert_eq!(store.forget_uploads(Timestamp(100)).await.unwrap(), 0);
    assert!(store.upload(old_failed.id).await.unwrap().is_none());
    assert!(store.upload(old_open.id).await.unwrap().is_some());
    assert!(store.upload(new_failed.id).await.unwrap().is_some());
}

/// Each once; failed and finished uploads hold nothing.
pub async fn what_is_referred_to_is_what_versions_and_open_uploads_hold(store: Store) {
    let receiving = upload(1, "m", 0);
    store.insert_upload(&receiving).await.unwrap();
    store.put_upload_file(receiving.id, &file("a", 1)).await.unwrap();
    store.put_upload_file(receiving.id, &file("b", 1)).await.unwrap();
    let failed = upload(2, "m", 0);
    store.insert_upload(&failed).await.unwrap();
    store.put_upload_file(failed.id, &file("a", 2)).await.unwrap();
    let being_proven = upload(3, "m", 0);
    store.insert_upload(&being_proven).await.unwrap();
    store.put_upload_file(being_proven.id, &file("a", 3)).await.unwrap();
    store.begin_proving(being_proven.id).await.unwrap();
    store.fail_upload(failed.id, "no").await.unwrap();
    let ready = proving(&store, 4, "m").await;
    store.insert_version(&version(&ready, 4)).await.unwrap();

    let referenced = store.referenced_digests().await.unwrap();
    let expected: BTreeSet<Digest> = [1, 3, 4, 4 ^ 0xff].map(digest).into();
    assert_eq!(referenced.len(), expected.len(), "each once");
    assert_eq!(referenced.into_iter().collect::<BTreeSet<_>>(), expected);
}
