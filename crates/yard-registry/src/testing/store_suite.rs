//! What every [`RegistryStore`](crate::RegistryStore) must do.
//!
//! [`registry_store_suite!`](crate::registry_store_suite) makes a test of each function. It takes an expression that
//! opens an empty store and gives it beside whatever must outlive it, such as a temporary directory:
//!
//! ```text
//! registry_store_suite!(async { (Arc::new(MyStore::open().await) as Arc<dyn RegistryStore>, directory) });
//! ```

mod aliases;
mod data_sets;
mod uploads;
mod versions;

pub use aliases::*;
pub use data_sets::*;
pub use uploads::*;
pub use versions::*;

use std::sync::Arc;

use yard_types::{AliasName, Digest, ModelName, Timestamp, UploadState, VersionNumber};

use crate::{
    Actor, FileRecord, NewVersion, Provenance, RegistryStore, UploadId, UploadRecord, testing::proof,
};

/// The store under test.
pub type Store = Arc<dyn RegistryStore>;

/// Makes a test of each function of the store suite.
#[macro_export]
macro_rules! registry_store_suite {
    ($open:expr) => {
        $crate::registry_store_suite! { @each $open =>
            versions_count_up_within_their_model
            concurrent_inserts_get_consecutive_numbers
            a_version_is_read_back_as_written
            the_first_version_gets_production
            an_upload_makes_one_version
            identical_bytes_are_found_by_digest
            a_version_is_archived_once_nothing_points_at_it
            serving_options_are_kept_with_the_model
            an_alias_goes_where_it_is_moved
            concurrent_moves_form_one_history
            only_ready_versions_are_pointed_at
            a_rollback_needs_the_history_it_was_decided_by
            an_alias_can_be_removed_but_not_production
            moves_are_told_newest_first
            uploads_go_through_their_states_and_no_others
            files_of_an_upload_are_replaced_by_path
            a_closed_upload_takes_no_files
            open_uploads_are_those_that_are_not_finished
            finished_uploads_are_forgotten_with_age
            what_is_referred_to_is_what_versions_and_open_uploads_hold
            a_draft_becomes_a_version_and_is_gone
            versions_of_data_sets_count_up
            a_version_that_was_removed_is_gone_for_good
            contents_of_data_sets_are_referred_to
        }
    };
    (@each $open:expr => $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _kept) = $open.await;
                $crate::testing::store_suite::$name(store).await;
            }
        )*
    };
}

fn actor(name: &str) -> Actor {
    Actor(name.to_owned())
}

fn model(name: &str) -> ModelName {
    name.parse().unwrap()
}

fn alias(name: &str) -> AliasName {
    name.parse().unwrap()
}

fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

fn digest(fill: u8) -> Digest {
    Digest::from_bytes([fill; 32])
}

fn file(path: &str, fill: u8) -> FileRecord {
    FileRecord { path: path.parse().unwrap(), digest: digest(fill), size: u64::from(fill) }
}

fn upload(id: u128, name: &str, at: i64) -> UploadRecord {
    UploadRecord {
        id: UploadId::from_bits(id),
        model: model(name),
        state: UploadState::Receiving,
        created_at: Timestamp(at),
        created_by: actor("sender"),
        files: Vec::new(),
        failure: None,
        version: None,
        provenance: Provenance {
            parent: None,
            note: Some("a \"note\"\nof two lines".to_owned()),
            origin: "push".to_owned(),
            facts: vec![("seed".to_owned(), "7".to_owned())],
        },
    }
}

fn version(upload: &UploadRecord, fill: u8) -> NewVersion {
    NewVersion {
        upload: upload.id,
        model: upload.model.clone(),
        created_at: upload.created_at,
        created_by: upload.created_by.clone(),
        digest: digest(fill),
        files: vec![file("labels.json", fill), file("model.onnx", fill ^ 0xff)],
        proof: proof("model.onnx"),
        provenance: upload.provenance.clone(),
        completion: None,
    }
}

/// Begins an upload and moves it on to `proving`.
async fn proving(store: &Store, id: u128, name: &str) -> UploadRecord {
    let upload = upload(id, name, 10);
    store.insert_upload(&upload).await.unwrap();
    store.begin_proving(upload.id).await.unwrap();
    upload
}

/// Makes versions 1 to `count` of a model.
async fn versions_of(store: &Store, name: &str, count: u8) {
    for fill in 1..=count {
        let id = u128::from(fill) | u128::from(digest_of_name(name)) << 64;
        let upload = proving(store, id, name).await;
        assert_eq!(store.insert_version(&version(&upload, fill)).await.unwrap(), number(fill.into()));
    }
}

/// Keeps the uploads of different models apart.
fn digest_of_name(name: &str) -> u64 {
    name.bytes().fold(1, |sum, byte| sum * 31 + u64::from(byte))
}
