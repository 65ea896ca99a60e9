//! Data sets and their drafts.

use std::collections::BTreeSet;

use yard_types::{Timestamp, VersionNumber};

use super::{Store, actor, digest, file, model, number};
use crate::{DataSetDraft, DataSetRecord, FileRecord, NewDataSet, StoreError, UploadId, package_digest};

fn draft(id: u128, name: &str, at: i64) -> DataSetDraft {
    DataSetDraft {
        id: UploadId::from_bits(id),
        name: model(name),
        created_at: Timestamp(at),
        created_by: actor("sender"),
        files: 0,
        bytes: 0,
    }
}

fn new(id: u128, files: &[FileRecord]) -> NewDataSet {
    NewDataSet {
        draft: UploadId::from_bits(id),
        created_at: Timestamp(30),
        digest: package_digest(files),
        schema: "{\"columns\":\"a \\\"b\\\"\"}".to_owned(),
        statistics: "{}".to_owned(),
    }
}

/// Makes a version of this one file.
async fn made(store: &Store, id: u128, name: &str, fill: u8) -> VersionNumber {
    store.insert_draft(&draft(id, name, 10)).await.unwrap();
    let rows = file("rows.csv", fill);
    store.put_draft_file(UploadId::from_bits(id), &rows).await.unwrap();
    store.insert_data_set(&new(id, &[rows])).await.unwrap()
}

/// With its files, counted and by path.
pub async fn a_draft_becomes_a_version_and_is_gone(store: Store) {
    let begun = draft(1, "d", 10);
    store.insert_draft(&begun).await.unwrap();
    let files = [file("a/b.csv", 9), file("c.csv", 5)];
    for put in [&files[1], &file("a/b.csv", 3), &files[0]] {
        store.put_draft_file(begun.id, put).await.unwrap();
    }
    let counted = DataSetDraft { files: 2, bytes: 14, ..begun.clone() };
    assert_eq!(store.draft(begun.id).await.unwrap().as_ref(), Some(&counted));
    assert_eq!(store.drafts().await.unwrap(), [counted]);
    assert_eq!(store.draft_files(begun.id).await.unwrap(), files);

    let late = store.insert_data_set(&new(1, &files[..1])).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "there are more files than were looked at");
    let new = new(1, &files);
    assert_eq!(store.insert_data_set(&new).await.unwrap(), number(1));
    let expected = DataSetRecord {
        name: model("d"),
        number: number(1),
        created_at: Timestamp(30),
        created_by: actor("sender"),
        digest: new.digest,
        files: 2,
        bytes: 14,
        schema: new.schema.clone(),
        statistics: new.statistics.clone(),
    };
    assert_eq!(store.data_set(&model("d"), Some(number(1))).await.unwrap(), Some(expected));
    assert_eq!(store.data_set_files(&model("d"), number(1)).await.unwrap(), files);
    assert!(store.draft(begun.id).await.unwrap().is_none());
    let missing = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Missing(_)));
    assert!(missing(store.put_draft_file(begun.id, &files[0]).await));
    assert!(missing(store.remove_draft(begun.id).await));
    assert!(missing(store.insert_data_set(&new).await.map(drop)));
}

/// The others stay, and the number is not given again.
pub async fn a_version_that_was_removed_is_gone_for_good(store: Store) {
    for (id, fill) in [(1, 1), (2, 2)] {
        made(&store, id, "d", fill).await;
    }
    store.remove_data_set(&model("d"), number(2)).await.unwrap();
    assert_eq!(store.data_set(&model("d"), Some(number(2))).await.unwrap(), None);
    assert_eq!(store.data_set(&model("d"), None).await.unwrap().unwrap().number, number(1));
    assert_eq!(store.data_set_files(&model("d"), number(2)).await.unwrap(), []);
    let referenced = store.referenced_digests().await.unwrap();
    assert!(referenced.contains(&digest(1)) && !referenced.contains(&digest(2)));
    assert_eq!(made(&store, 3, "d", 3).await, number(3));
    for absent in [2, 9] {
        let missing = store.remove_data_set(&model("d"), number(absent)).await;
        assert!(matches!(missing, Err(StoreError::Missing(_))), "{absent}");
    }
    for left in [1, 3] {
        store.remove_data_set(&model("d"), number(left)).await.unwrap();
    }
    assert_eq!(store.data_sets().await.unwrap(), []);
    assert_eq!(made(&store, 4, "d", 4).await, number(4));
}

/// In each data set, which is no model.
pub async fn versions_of_data_sets_count_up(store: Store) {
    for (id, name, fill, expected) in [(1, "b", 1, 1), (2, "b", 2, 2), (3, "a", 3, 1), (4, "b", 2, 3)] {
        assert_eq!(made(&store, id, name, fill).await, number(expected));
    }
    let newest = store.data_sets().await.unwrap();
    let newest: Vec<(&str, u32)> =
        newest.iter().map(|record| (record.name.as_str(), record.number.get())).collect();
    assert_eq!(newest, [("a", 1), ("b", 3)]);
    assert_eq!(store.data_set(&model("b"), None).await.unwrap().unwrap().number, number(3));
    assert_eq!(store.data_set(&model("b"), Some(number(9))).await.unwrap(), None);
    assert_eq!(store.data_set(&model("c"), None).await.unwrap(), None);
    let versions = store.data_set_versions(&model("b")).await.unwrap();
    let numbers: Vec<u32> = versions.iter().map(|record| record.number.get()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(store.models().await.unwrap(), []);
}

/// Those of versions and of drafts, until a draft is given up.
pub async fn contents_of_data_sets_are_referred_to(store: Store) {
    made(&store, 1, "d", 1).await;
    store.insert_draft(&draft(2, "d", 10)).await.unwrap();
    store.insert_draft(&draft(3, "d", 5)).await.unwrap();
    store.put_draft_file(UploadId::from_bits(2), &file("x.csv", 2)).await.unwrap();
    store.put_draft_file(UploadId::from_bits(3), &file("x.csv", 3)).await.unwrap();
    let ids: Vec<UploadId> = store.drafts().await.unwrap().iter().map(|draft| draft.id).collect();
    assert_eq!(ids, [UploadId::from_bits(3), UploadId::from_bits(2)], "by age");
    store.remove_draft(UploadId::from_bits(3)).await.unwrap();
    let referenced: BTreeSet<_> = store.referenced_digests().await.unwrap().into_iter().collect();
    assert_eq!(referenced, BTreeSet::from([digest(1), digest(2)]));
}
