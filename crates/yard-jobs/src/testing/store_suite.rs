//! What every [`JobStore`] must do.
//!
//! [`job_store_suite!`](crate::job_store_suite) makes a test of each function. It takes an expression that opens an empty
//! store and gives it beside whatever must outlive it, such as a temporary directory:
//!
//! ```text
//! job_store_suite!(async { (Arc::new(MyStore::open().await) as Arc<dyn JobStore>, directory) });
//! ```

mod lists;
mod reports;
mod states;

pub use lists::*;
pub use reports::*;
pub use states::*;

use std::sync::Arc;

use yard_types::{Digest, ErrorCode, Timestamp};

use super::new_job;
use crate::{Claim, Ending, HolderId, Job, JobFailure, JobId, JobKind, JobStore, Lease};

/// The store under test.
pub type Store = Arc<dyn JobStore>;

/// Makes a test of each function of the store suite.
#[macro_export]
macro_rules! job_store_suite {
    ($open:expr) => {
        $crate::job_store_suite! { @each $open =>
            a_job_is_read_back_as_written
            jobs_go_through_their_states_and_no_others
            only_the_present_claim_changes_a_running_job
            a_job_is_taken_once_however_many_want_it
            a_job_that_was_called_off_does_not_succeed
            setbacks_count_until_a_checkpoint
            leases_are_renewed_by_their_holder
            endings_are_kept_with_the_job
            what_is_not_there_is_missing
            pages_list_the_newest_first
            active_jobs_are_those_that_have_not_ended
            trials_belong_to_a_running_search
            old_jobs_are_forgotten_with_their_trials
            reports_are_kept_and_read_again_by_sequence
            metrics_are_replaced_by_step
            numbers_that_are_not_finite_are_kept
            few_checkpoints_and_log_lines_are_kept
            texts_are_cut
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

fn id(bits: u128) -> JobId {
    JobId::from_bits(bits)
}

fn lease(holder: u128) -> Lease {
    Lease { holder: HolderId::from_bits(holder), expires_at: Timestamp(1000) }
}

fn job(bits: u128, at: i64) -> Job {
    let mut new = new_job("{\"a\": \"text\\n\"}");
    new.inputs = vec![Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32])];
    Job::queued(new, id(bits), Timestamp(at))
}

fn search(bits: u128, at: i64) -> Job {
    Job { kind: JobKind::Search, ..job(bits, at) }
}

fn trial(bits: u128, of: u128, number: u32) -> Job {
    Job { kind: JobKind::Trial { search: id(of), number }, ..job(bits, 50) }
}

fn failed() -> Ending {
    Ending::Failed(JobFailure { code: ErrorCode::InvalidArgument, message: "it \"failed\"".to_owned() })
}

/// Writes a job and takes it.
async fn running(store: &Store, job: Job) -> Claim {
    store.insert(&job).await.unwrap();
    start(store, job.id).await
}

async fn start(store: &Store, id: JobId) -> Claim {
    store.start(id, &lease(1), Timestamp(100)).await.unwrap();
    store.job(id).await.unwrap().unwrap().claim().unwrap()
}
