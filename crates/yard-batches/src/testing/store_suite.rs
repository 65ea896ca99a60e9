//! What every [`BatchStore`] must do.
//!
//! [`batch_store_suite!`](crate::batch_store_suite) makes a test of each function. It takes an expression that opens an
//! empty store and gives it beside whatever must outlive it, such as a temporary directory:
//!
//! ```text
//! batch_store_suite!(async { (Arc::new(MyStore::open().await) as Arc<dyn BatchStore>, directory) });
//! ```

use std::{collections::BTreeMap, sync::Arc};

use yard_types::{Digest, Timestamp};

use crate::{
    Batch, BatchEnd, BatchId, BatchStatus, BatchStore, BatchStoreError, Counts, Endpoint, FileId, FileQuery,
    LineRecord, Moments, Owner, Problem, Purpose, StoredFile, Usage,
};

/// The store under test.
pub type Store = Arc<dyn BatchStore>;

/// Makes a test of each function of the store suite.
#[macro_export]
macro_rules! batch_store_suite {
    ($open:expr) => {
        $crate::batch_store_suite! { @each $open =>
            a_file_is_read_back_by_its_owner_alone
            files_are_listed_in_pages
            files_are_bounded_and_end_with_their_time
            the_bytes_of_files_and_outcomes_are_bounded
            a_batch_is_read_back_as_written
            batches_are_listed_and_bounded
            batches_go_through_their_states_and_no_others
            a_line_has_one_outcome
            outcomes_are_read_in_order
            a_batch_that_was_called_off_is_not_completed
            a_batch_of_which_nothing_ran_is_cancelled_at_once
            an_end_is_kept_with_its_files
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

/// A file of this number.
pub fn file(number: u32, owner: &str) -> StoredFile {
    StoredFile {
        id: file_id(number),
        owner: Owner(owner.to_owned()),
        purpose: Purpose::Batch,
        name: format!("täglich {number}.jsonl"),
        digest: Digest::from_bytes([number as u8; 32]),
        bytes: u64::from(number),
        created_at: Timestamp(i64::from(number)),
        expires_at: None,
    }
}

/// A batch of this number, as it is when it is made.
pub fn batch(number: u32, owner: &str) -> Batch {
    Batch {
        id: format!("batch_{number:024x}").parse().unwrap(),
        owner: Owner(owner.to_owned()),
        endpoint: Endpoint::Completions,
        input_file: file_id(number),
        input_digest: Digest::from_bytes([7; 32]),
        window: "24h".parse().unwrap(),
        metadata: BTreeMap::from([("a \"b\"".to_owned(), "é\n".to_owned())]),
        status: BatchStatus::Validating,
        created_at: Timestamp(i64::from(number)),
        expires_at: Timestamp(i64::from(number) + 86_400_000),
        moments: Moments::default(),
        counts: Counts::default(),
        problems: Vec::new(),
        output_file: None,
        error_file: None,
    }
}

fn file_id(number: u32) -> FileId {
    format!("file-{number:024x}").parse().unwrap()
}

fn line(number: u32, status: u16) -> LineRecord {
    LineRecord {
        line: number,
        custom_id: format!("line é {number}"),
        status,
        request_id: "r".to_owned(),
        body: format!("{{\"n\": {number}}}"),
    }
}

fn query(limit: u32) -> FileQuery {
    FileQuery { purpose: None, after: None, oldest_first: false, limit, now: Timestamp(0) }
}

fn owner(name: &str) -> Owner {
    Owner(name.to_owned())
}

async fn running(store: &Store, number: u32) -> BatchId {
    let batch = batch(number, "a");
    store.insert_batch(&batch, 100, 100).await.unwrap();
    store.begin(&batch.id, 3, Timestamp(5)).await.unwrap();
    batch.id
}

async fn status(store: &Store, id: &BatchId) -> BatchStatus {
    store.batch(&owner("a"), id).await.unwrap().unwrap().status
}

#[track_caller]
fn conflicts<T: std::fmt::Debug>(outcome: Result<T, BatchStoreError>) {
    assert!(matches!(outcome, Err(BatchStoreError::Conflict(_))), "{outcome:?}");
}

#[track_caller]
fn is_missing<T: std::fmt::Debug>(outcome: Result<T, BatchStoreError>) {
    assert!(matches!(outcome, Err(BatchStoreError::Missing(_))), "{outcome:?}");
}

#[track_caller]
fn too_many<T: std::fmt::Debug>(outcome: Result<T, BatchStoreError>, most: u64) {
    assert!(matches!(outcome, Err(BatchStoreError::TooMany(limit)) if limit == most), "{outcome:?}");
}

/// Others do not learn that there is one.
pub async fn a_file_is_read_back_by_its_owner_alone(store: Store) {
    let kept = StoredFile { expires_at: Some(Timestamp(50)), ..file(1, "a") };
    store.insert_file(&kept, 10, u64::MAX).await.unwrap();
    assert_eq!(store.file(&owner("a"), &kept.id, Timestamp(9)).await.unwrap(), Some(kept.clone()));
    for stranger in ["b", ""] {
        assert_eq!(store.file(&owner(stranger), &kept.id, Timestamp(9)).await.unwrap(), None);
        is_missing(store.remove_file(&owner(stranger), &kept.id).await);
        assert!(store.files(&owner(stranger), &query(9)).await.unwrap().is_empty());
    }
    store.remove_file(&owner("a"), &kept.id).await.unwrap();
    assert_eq!(store.file(&owner("a"), &kept.id, Timestamp(9)).await.unwrap(), None);
    is_missing(store.remove_file(&owner("a"), &kept.id).await);
}

/// In the order in which they came, from either end.
pub async fn files_are_listed_in_pages(store: Store) {
    for number in 1..=5 {
        // Times may be equal: the order is that in which they came.
        let kept = StoredFile { created_at: Timestamp(1), ..file(6 - number, "a") };
        store.insert_file(&kept, 10, u64::MAX).await.unwrap();
    }
    store.insert_file(&file(9, "b"), 10, u64::MAX).await.unwrap();
    let numbers = |files: Vec<StoredFile>| files.iter().map(|file| file.bytes).collect::<Vec<_>>();
    let own = owner("a");
    assert_eq!(numbers(store.files(&own, &query(9)).await.unwrap()), [1, 2, 3, 4, 5]);
    let after = FileQuery { after: Some(file_id(2)), ..query(2) };
    assert_eq!(numbers(store.files(&own, &after).await.unwrap()), [3, 4]);
    let oldest = FileQuery { oldest_first: true, after: Some(file_id(4)), ..query(2) };
    assert_eq!(numbers(store.files(&own, &oldest).await.unwrap()), [3, 2]);
    let outputs = FileQuery { purpose: Some(Purpose::BatchOutput), ..query(9) };
    assert!(store.files(&own, &outputs).await.unwrap().is_empty());
    let inputs = FileQuery { purpose: Some(Purpose::Batch), ..query(1) };
    assert_eq!(numbers(store.files(&own, &inputs).await.unwrap()), [1]);
    // Another's is not there.
    is_missing(store.files(&own, &FileQuery { after: Some(file_id(9)), ..query(2) }).await);
}

/// What is over is not shown, and goes.
pub async fn files_are_bounded_and_end_with_their_time(store: Store) {
    for number in 1..=2 {
        let kept = StoredFile { expires_at: Some(Timestamp(10)), ..file(number, "a") };
        store.insert_file(&kept, 2, u64::MAX).await.unwrap();
    }
    too_many(store.insert_file(&file(3, "a"), 2, u64::MAX).await, 2);
    store.insert_file(&file(4, "b"), 2, u64::MAX).await.unwrap();
    assert_eq!(store.file(&owner("a"), &file_id(1), Timestamp(10)).await.unwrap(), None);
    let later = FileQuery { now: Timestamp(10), ..query(9) };
    assert!(store.files(&owner("a"), &later).await.unwrap().is_empty());
    assert_eq!(store.remove_expired_files(Timestamp(9)).await.unwrap(), 0);
    assert_eq!(store.remove_expired_files(Timestamp(10)).await.unwrap(), 2);
    assert!(store.file(&owner("b"), &file_id(4), Timestamp(10)).await.unwrap().is_some());
    store.insert_file(&file(3, "a"), 2, u64::MAX).await.unwrap();
}

/// All of an owner's together, and until they are gone.
pub async fn the_bytes_of_files_and_outcomes_are_bounded(store: Store) {
    assert_eq!(store.usage(&owner("a")).await.unwrap(), Usage::default());
    store.insert_file(&file(60, "a"), 9, 100).await.unwrap();
    let refused = store.insert_file(&file(41, "a"), 9, 100).await;
    assert!(matches!(refused, Err(BatchStoreError::NoRoom(100))), "{refused:?}");
    store.insert_file(&file(41, "b"), 9, 100).await.unwrap();
    store.insert_file(&file(30, "a"), 9, 100).await.unwrap();
    assert_eq!(store.usage(&owner("a")).await.unwrap(), Usage { uploaded: 2, bytes: 90 });
    // What was answered counts before it stands in a file, and not twice.
    let id = running(&store, 1).await;
    let outcomes = [line(1, 200), line(2, 400)];
    for outcome in outcomes.iter().chain(&outcomes) {
        store.put_line(&id, outcome).await.unwrap();
    }
    let answered: u64 = outcomes.iter().map(LineRecord::bytes).sum();
    assert_eq!(store.usage(&owner("a")).await.unwrap(), Usage { uploaded: 2, bytes: 90 + answered });
    let refused = store.insert_file(&file(9, "a"), 9, 98 + answered).await;
    assert!(matches!(refused, Err(BatchStoreError::NoRoom(_))), "{refused:?}");
    store.begin_finalizing(&id, Timestamp(6)).await.unwrap();
    let output = StoredFile { purpose: Purpose::BatchOutput, ..file(7, "a") };
    let end = BatchEnd { status: BatchStatus::Completed, output: Some(output), errors: None };
    store.finish(&id, &end, Timestamp(7)).await.unwrap();
    assert_eq!(store.usage(&owner("a")).await.unwrap(), Usage { uploaded: 2, bytes: 97 });
    store.remove_file(&owner("a"), &file_id(60)).await.unwrap();
    assert_eq!(store.usage(&owner("a")).await.unwrap(), Usage { uploaded: 1, bytes: 37 });
}

/// To the last member.
pub async fn a_batch_is_read_back_as_written(store: Store) {
    let made = batch(1, "a");
    store.insert_batch(&made, 10, 10).await.unwrap();
    assert_eq!(store.batch(&owner("a"), &made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.batch(&owner("b"), &made.id).await.unwrap(), None);
    assert_eq!(store.open_batches().await.unwrap(), std::slice::from_ref(&made));
    let problems = [
        Problem { code: "c".into(), message: "é".into(), param: Some("body".into()), line: Some(4) },
        Problem { code: "d".into(), message: String::new(), param: None, line: None },
    ];
    store.fail(&made.id, &problems, Timestamp(9)).await.unwrap();
    let failed = store.batch(&owner("a"), &made.id).await.unwrap().unwrap();
    let moments = Moments { ended: Some(Timestamp(9)), ..Moments::default() };
    let expected = Batch { status: BatchStatus::Failed, problems: problems.to_vec(), moments, ..made };
    assert_eq!(failed, expected);
    assert!(store.open_batches().await.unwrap().is_empty());
}

/// The newest first, and no more than there may be.
pub async fn batches_are_listed_and_bounded(store: Store) {
    for number in [3, 1, 2] {
        store.insert_batch(&batch(number, "a"), 3, 1).await.unwrap();
    }
    too_many(store.insert_batch(&batch(4, "a"), 3, 1).await, 3);
    store.insert_batch(&batch(9, "b"), 3, 1).await.unwrap();
    let ids = |batches: Vec<Batch>| batches.iter().map(|batch| batch.created_at.0).collect::<Vec<_>>();
    let own = owner("a");
    assert_eq!(ids(store.batches(&own, None, 9).await.unwrap()), [2, 1, 3]);
    assert_eq!(ids(store.batches(&own, Some(&batch(2, "a").id), 1).await.unwrap()), [1]);
    is_missing(store.batches(&own, Some(&batch(9, "b").id), 1).await);
    assert_eq!(ids(store.open_batches().await.unwrap()), [3, 1, 2, 9]);
    // Of those that have ended one is kept, the newest.
    for number in [3, 1] {
        store.fail(&batch(number, "a").id, &[], Timestamp(5)).await.unwrap();
    }
    store.insert_batch(&batch(4, "a"), 3, 1).await.unwrap();
    assert_eq!(ids(store.batches(&own, None, 9).await.unwrap()), [4, 2, 1]);
}

/// As [`BatchStatus::may_become`] says.
pub async fn batches_go_through_their_states_and_no_others(store: Store) {
    let id = batch(1, "a").id;
    is_missing(store.begin(&id, 1, Timestamp(1)).await);
    is_missing(store.put_line(&id, &line(1, 200)).await);
    is_missing(store.cancel(&owner("a"), &id, Timestamp(1)).await);
    store.insert_batch(&batch(1, "a"), 10, 10).await.unwrap();
    conflicts(store.put_line(&id, &line(1, 200)).await);
    conflicts(store.begin_finalizing(&id, Timestamp(1)).await);
    store.begin(&id, 3, Timestamp(2)).await.unwrap();
    conflicts(store.begin(&id, 3, Timestamp(2)).await);
    conflicts(store.fail(&id, &[], Timestamp(2)).await);
    let end = BatchEnd { status: BatchStatus::Completed, output: None, errors: None };
    conflicts(store.finish(&id, &end, Timestamp(3)).await);
    store.begin_finalizing(&id, Timestamp(3)).await.unwrap();
    conflicts(store.put_line(&id, &line(1, 200)).await);
    let cancelled = BatchEnd { status: BatchStatus::Cancelled, ..end.clone() };
    conflicts(store.finish(&id, &cancelled, Timestamp(4)).await);
    store.finish(&id, &end, Timestamp(4)).await.unwrap();
    conflicts(store.finish(&id, &end, Timestamp(5)).await);
    conflicts(store.cancel(&owner("a"), &id, Timestamp(5)).await);
    let kept = store.batch(&owner("a"), &id).await.unwrap().unwrap();
    let moments = Moments {
        in_progress: Some(Timestamp(2)),
        finalizing: Some(Timestamp(3)),
        cancelling: None,
        ended: Some(Timestamp(4)),
    };
    assert_eq!((kept.status, kept.moments, kept.counts.total), (BatchStatus::Completed, moments, 3));
}

/// However often it is written, and by whomever.
pub async fn a_line_has_one_outcome(store: Store) {
    let id = running(&store, 1).await;
    let writers = (0..8_u16).map(|writer| {
        let (store, id) = (Arc::clone(&store), id.clone());
        tokio::spawn(async move { store.put_line(&id, &line(2, 200 + writer)).await.unwrap() })
    });
    let writers: Vec<_> = writers.collect();
    let mut written = 0;
    for writer in writers {
        written += u32::from(writer.await.unwrap());
    }
    assert_eq!(written, 1);
    assert!(!store.put_line(&id, &line(2, 500)).await.unwrap());
    assert!(store.put_line(&id, &line(1, 400)).await.unwrap());
    let counts = store.batch(&owner("a"), &id).await.unwrap().unwrap().counts;
    assert_eq!(counts, Counts { total: 3, completed: 1, failed: 1 });
    assert_eq!(store.done_lines(&id).await.unwrap(), [(1, false), (2, true)]);
}

/// By their numbers, whichever order they came in.
pub async fn outcomes_are_read_in_order(store: Store) {
    let (id, other) = (running(&store, 1).await, running(&store, 2).await);
    for (number, status) in [(10, 200), (9, 404), (2, 200), (100, 200), (1, 500)] {
        assert!(store.put_line(&id, &line(number, status)).await.unwrap());
    }
    assert!(store.put_line(&other, &line(3, 200)).await.unwrap());
    let expected = [line(2, 200), line(10, 200)];
    assert_eq!(store.lines(&id, true, 0, 2).await.unwrap(), expected);
    assert_eq!(store.lines(&id, true, 10, 2).await.unwrap(), [line(100, 200)]);
    assert_eq!(store.lines(&id, false, 0, 9).await.unwrap(), [line(1, 500), line(9, 404)]);
    let done = [(1, false), (2, true), (9, false), (10, true), (100, true)];
    assert_eq!(store.done_lines(&id).await.unwrap(), done);
}

/// Whatever was under way.
pub async fn a_batch_that_was_called_off_is_not_completed(store: Store) {
    let id = running(&store, 1).await;
    assert!(store.put_line(&id, &line(1, 200)).await.unwrap());
    is_missing(store.cancel(&owner("b"), &id, Timestamp(7)).await);
    let cancelled = store.cancel(&owner("a"), &id, Timestamp(7)).await.unwrap();
    assert_eq!(
        (cancelled.status, cancelled.moments.cancelling),
        (BatchStatus::Cancelling, Some(Timestamp(7)))
    );
    // Once more changes nothing.
    let again = store.cancel(&owner("a"), &id, Timestamp(8)).await.unwrap();
    assert_eq!(again, cancelled);
    conflicts(store.put_line(&id, &line(2, 200)).await);
    conflicts(store.begin_finalizing(&id, Timestamp(8)).await);
    let end = BatchEnd { status: BatchStatus::Completed, output: None, errors: None };
    conflicts(store.finish(&id, &end, Timestamp(8)).await);
    assert_eq!(store.open_batches().await.unwrap().len(), 1);
    let end = BatchEnd { status: BatchStatus::Cancelled, ..end };
    store.finish(&id, &end, Timestamp(9)).await.unwrap();
    assert_eq!(status(&store, &id).await, BatchStatus::Cancelled);
}

/// Nobody has to be found who finishes it.
pub async fn a_batch_of_which_nothing_ran_is_cancelled_at_once(store: Store) {
    let made = batch(1, "a");
    store.insert_batch(&made, 1, 10).await.unwrap();
    let cancelled = store.cancel(&owner("a"), &made.id, Timestamp(7)).await.unwrap();
    let moments = Moments { cancelling: Some(Timestamp(7)), ended: Some(Timestamp(7)), ..Moments::default() };
    assert_eq!((cancelled.status, cancelled.moments), (BatchStatus::Cancelled, moments));
    // Whoever was reading its lines learns of it.
    conflicts(store.begin(&made.id, 3, Timestamp(8)).await);
    conflicts(store.fail(&made.id, &[], Timestamp(8)).await);
    conflicts(store.cancel(&owner("a"), &made.id, Timestamp(8)).await);
    assert!(store.open_batches().await.unwrap().is_empty());
    store.insert_batch(&batch(2, "a"), 1, 10).await.unwrap();
}

/// In one step.
pub async fn an_end_is_kept_with_its_files(store: Store) {
    let id = running(&store, 1).await;
    for number in 1..=3 {
        store.put_line(&id, &line(number, 200)).await.unwrap();
    }
    store.begin_finalizing(&id, Timestamp(6)).await.unwrap();
    let made = |number| StoredFile { purpose: Purpose::BatchOutput, ..file(number, "a") };
    let end = BatchEnd { status: BatchStatus::Completed, output: Some(made(11)), errors: Some(made(12)) };
    store.finish(&id, &end, Timestamp(7)).await.unwrap();
    let kept = store.batch(&owner("a"), &id).await.unwrap().unwrap();
    assert_eq!((kept.output_file, kept.error_file), (Some(file_id(11)), Some(file_id(12))));
    assert_eq!(kept.counts, Counts { total: 3, completed: 3, failed: 0 });
    assert_eq!(store.file(&owner("a"), &file_id(11), Timestamp(8)).await.unwrap(), Some(made(11)));
    assert!(store.file(&owner("a"), &file_id(12), Timestamp(8)).await.unwrap().is_some());
    assert!(store.done_lines(&id).await.unwrap().is_empty());
    // What batches write does not count as uploaded.
    store.insert_file(&file(1, "a"), 1, u64::MAX).await.unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryBatchStore;

    crate::batch_store_suite!(async { (Arc::new(MemoryBatchStore::default()) as Store, ()) });
}
