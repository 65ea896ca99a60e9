//! Models and versions.

use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

use yard_types::{Timestamp, VersionNumber, VersionState};

use super::{Store, actor, alias, digest, model, number, proving, upload, version, versions_of};
use crate::{QueueClassLimits, ServingOptions, StoreError, VersionRecord};

/// Numbers begin at 1 in each model and follow each other.
pub async fn versions_count_up_within_their_model(store: Store) {
    versions_of(&store, "a", 3).await;
    versions_of(&store, "b", 1).await;
    let numbers = |versions: Vec<VersionRecord>| -> Vec<u32> {
        versions.iter().map(|version| version.number.get()).collect()
    };
    assert_eq!(numbers(store.versions(&model("a")).await.unwrap()), [1, 2, 3]);
    assert_eq!(numbers(store.versions(&model("b")).await.unwrap()), [1]);
    assert_eq!(numbers(store.versions(&model("c")).await.unwrap()), [0; 0]);
    let names: Vec<String> =
        store.models().await.unwrap().iter().map(|model| model.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(store.model(&model("a")).await.unwrap().unwrap().created_at, Timestamp(10));
    assert!(store.model(&model("c")).await.unwrap().is_none());
    assert!(store.version(&model("a"), number(4)).await.unwrap().is_none());
    assert!(store.version(&model("c"), number(1)).await.unwrap().is_none());
}

/// Fifty at once get fifty numbers without a gap.
pub async fn concurrent_inserts_get_consecutive_numbers(store: Store) {
    let mut tasks = Vec::new();
    for id in 0..50 {
        let upload = proving(&store, id, "m").await;
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.insert_version(&version(&upload, 1)).await.unwrap() }));
    }
    let mut numbers = BTreeSet::new();
    for task in tasks {
        numbers.insert(task.await.unwrap().get());
    }
    assert_eq!(numbers, (1..=50).collect());
    let moves = store.alias_moves(&model("m"), &alias("production"), 100).await.unwrap();
    assert_eq!(moves.len(), 1, "production was given once: {moves:?}");
}

/// Nothing is lost or bent.
pub async fn a_version_is_read_back_as_written(store: Store) {
    let upload = proving(&store, 1, "m").await;
    let new = version(&upload, 7);
    store.insert_version(&new).await.unwrap();
    let expected = VersionRecord {
        model: new.model.clone(),
        number: VersionNumber::FIRST,
        state: VersionState::Ready,
        created_at: new.created_at,
        created_by: new.created_by,
        digest: new.digest,
        files: new.files,
        proof: new.proof,
        provenance: new.provenance,
    };
    assert_eq!(store.version(&new.model, VersionNumber::FIRST).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.versions(&new.model).await.unwrap(), [expected]);
}

/// The first one, and no other, is what a request without a version gets.
pub async fn the_first_version_gets_production(store: Store) {
    versions_of(&store, "m", 2).await;
    let production = store.alias(&model("m"), &alias("production")).await.unwrap().unwrap();
    assert_eq!((production.version, production.moved_at), (number(1), Timestamp(10)));
    let moves = store.alias_moves(&model("m"), &alias("production"), 10).await.unwrap();
    let [only] = moves.as_slice() else { panic!("{moves:?}") };
    assert_eq!((only.from, only.to, &only.by), (None, Some(number(1)), &actor("sender")));
}

/// The upload is used up, and a version without a proving upload is not written at all.
pub async fn an_upload_makes_one_version(store: Store) {
    let receiving = upload(1, "m", 10);
    assert!(matches!(store.insert_version(&version(&receiving, 1)).await, Err(StoreError::Missing(_))));
    store.insert_upload(&receiving).await.unwrap();
    assert!(matches!(store.insert_version(&version(&receiving, 1)).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.models().await.unwrap(), [], "what failed leaves no model");

    store.begin_proving(receiving.id).await.unwrap();
    assert_eq!(store.insert_version(&version(&receiving, 1)).await.unwrap(), number(1));
    assert!(matches!(store.insert_version(&version(&receiving, 1)).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.versions(&model("m")).await.unwrap().len(), 1);
    assert_eq!(store.upload(receiving.id).await.unwrap().unwrap().version, Some(number(1)));
    let next = proving(&store, 2, "m").await;
    assert_eq!(
        store.insert_version(&version(&next, 1)).await.unwrap(),
        number(2),
        "what failed used up no number"
    );
}

/// The newest ready version of this very model.
pub async fn identical_bytes_are_found_by_digest(store: Store) {
    for (id, fill) in [(1, 5), (2, 5), (3, 6)] {
        let upload = proving(&store, id, "m").await;
        store.insert_version(&version(&upload, fill)).await.unwrap();
    }
    let find = async |name: &str, fill| store.version_by_digest(&model(name), &digest(fill)).await.unwrap();
    assert_eq!(find("m", 5).await, Some(number(2)));
    assert_eq!(find("m", 7).await, None);
    assert_eq!(find("other", 5).await, None);
    store.archive_version(&model("m"), number(2), Timestamp(20), &actor("a")).await.unwrap();
    assert_eq!(find("m", 5).await, Some(number(1)), "an archived version does not count");
}

/// Archiving waits for aliases to go, and numbers stay taken.
pub async fn a_version_is_archived_once_nothing_points_at_it(store: Store) {
    versions_of(&store, "m", 2).await;
    let archive =
        async |version| store.archive_version(&model("m"), number(version), Timestamp(20), &actor("a")).await;
    assert!(matches!(archive(1).await, Err(StoreError::Conflict(_))), "production points at it");
    assert!(matches!(archive(9).await, Err(StoreError::Missing(_))));
    archive(2).await.unwrap();
    archive(2).await.unwrap();
    let state = async |version| store.version(&model("m"), number(version)).await.unwrap().unwrap().state;
    assert_eq!((state(1).await, state(2).await), (VersionState::Ready, VersionState::Archived));
    let upload = proving(&store, 77, "m").await;
    assert_eq!(store.insert_version(&version(&upload, 9)).await.unwrap(), number(3));
}

/// They are set as a whole, and a new version does not reset them.
pub async fn serving_options_are_kept_with_the_model(store: Store) {
    let options = ServingOptions {
        max_batch: NonZeroUsize::new(8),
        max_queue_delay: Some(Duration::from_micros(250)),
        queue_length: QueueClassLimits {
            interactive: NonZeroUsize::new(3),
            background: NonZeroUsize::new(9),
        },
        workers: NonZeroUsize::new(2),
        timeout: Some(Duration::from_millis(1500)),
        share_prefixes: true,
    };
    let missing = store.set_serving_options(&model("m"), &options).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))));
    versions_of(&store, "m", 1).await;
    assert_eq!(store.model(&model("m")).await.unwrap().unwrap().serving, ServingOptions::default());
    store.set_serving_options(&model("m"), &options).await.unwrap();
    let upload = proving(&store, 99, "m").await;
    store.insert_version(&version(&upload, 9)).await.unwrap();
    assert_eq!(store.model(&model("m")).await.unwrap().unwrap().serving, options);
    store.set_serving_options(&model("m"), &ServingOptions::default()).await.unwrap();
    assert_eq!(store.models().await.unwrap()[0].serving, ServingOptions::default());
}
