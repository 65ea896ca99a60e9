//! How jobs run and end.

use yard_types::{Coded as _, ErrorCode};

use super::*;
use crate::{Demand, JobKind, JobQuery, JobsError, testing::LaunchNote};

#[tokio::test(start_paused = true)]
async fn a_job_is_a_row_before_it_is_acknowledged_and_ends_with_its_version() {
    let yard = Yard::new();
    let job = yard.jobs.submit(new_job("1 save:1 2 finish")).await.unwrap();
    assert_eq!((job.state, job.attempt), (JobState::Queued, 0));
    let job = yard.ended(job.id).await;
    assert_eq!((job.state, job.attempt, version(&job)), (JobState::Succeeded, 1, Some(1)));
    assert_eq!(job.result.unwrap().summary, r#"{"accuracy":0.97}"#);
    assert_eq!(yard.jobs.metrics(job.id).await.unwrap().len(), 2);
    assert_eq!(yard.jobs.log_lines(job.id, 9).await.unwrap().len(), 2);
    assert_eq!(yard.jobs.checkpoints(job.id).await.unwrap().len(), 1);
    let all = JobQuery { state: None, search: None, after: None, limit: 9 };
    assert_eq!(yard.jobs.jobs(&all).await.unwrap().len(), 1);
    yard.jobs.shutdown().await;
    assert!(yard.launcher.has_discarded(job.id), "nobody needs its files");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_is_followed_by_one_that_goes_on_from_the_last_checkpoint() {
    for (script, resumed) in [
        ("unlaunched | finish", None),
        ("die | finish", None),
        ("1 die | 1 finish", None),
        ("1 save:1 2 die | 1 2 finish", Some(1)),
        ("1 save:1 2 save:2 | 1 2 3 finish", Some(2)),
    ] {
        let yard = Yard::new();
        let id = yard.submit(script).await;
        let job = yard.ended(id).await;
        assert_eq!((job.state, job.attempt, version(&job)), (JobState::Succeeded, 2, Some(1)), "{script}");
        let expected = LaunchNote { job: id, attempt: 2, resumed };
        assert_eq!(yard.launcher.launches()[1..], [expected], "{script}");
        let log = yard.jobs.log_lines(id, 99).await.unwrap();
        assert!(log.iter().any(|(_, line)| line.text.starts_with("attempt 1 ended early")), "{log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_children_die_one_after_the_other_fails_alone() {
    let yard = Yard::new();
    let (dying, other) = (yard.submit("1 die").await, yard.submit("1 finish").await);
    let job = yard.ended(dying).await;
    assert_eq!((job.state, job.attempt, message(&job)), (JobState::Failed, 3, "it was killed by signal 9"));
    assert_eq!(yard.ended(other).await.state, JobState::Succeeded);
    assert_eq!(yard.launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_gets_on_is_not_given_up() {
    let yard = Yard::new();
    let id = yard.submit("save:1 die | save:2 die | save:3 die | save:4 die | finish").await;
    let job = yard.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 5));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_fails_at_once_with_its_message() {
    let yard = Yard::new();
    let id = yard.submit("1 refuse").await;
    let job = yard.ended(id).await;
    assert_eq!((job.state, job.attempt, message(&job)), (JobState::Failed, 1, "column 'label' is missing"));
    let id = yard.submit("ramble").await;
    assert_eq!(message(&yard.ended(id).await).len(), crate::MAX_TEXT_BYTES);
    yard.results.refuse(1);
    let id = yard.submit("finish").await;
    let job = yard.ended(id).await;
    assert_eq!((job.state, job.attempt, message(&job)), (JobState::Failed, 1, "the model does not load"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_one_job_and_nothing_else() {
    let yard = Yard::new();
    let (bad, good) = (yard.submit("panic").await, yard.submit("finish").await);
    let job = yard.ended(bad).await;
    assert_eq!((job.state, job.failure.unwrap().code), (JobState::Failed, ErrorCode::Internal));
    assert_eq!(yard.ended(good).await.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_there_is_room_for() {
    let yard = Yard::new();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(yard.submit("gate 1 gate finish").await);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(yard.launcher.alive() <= 2);
    }
    for _ in 0..10 {
        yard.launcher.open(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(yard.launcher.alive() <= 2);
    }
    for id in ids {
        assert_eq!(yard.ended(id).await.state, JobState::Succeeded);
    }
    assert_eq!(yard.results.versions(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_too_much_or_comes_when_it_is_full_is_refused() {
    let yard = Yard::with(Arc::new(crate::NoSearches), |options| options.max_unfinished = 2);
    let demand = Demand { threads: 3, memory_bytes: 1 };
    let error = yard.jobs.submit(NewJob { demand, ..new_job("finish") }).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.to_string().contains("3 threads"), "{error}");
    let kind = JobKind::Trial { search: JobId::from_bits(1), number: 0 };
    let error = yard.jobs.submit(NewJob { kind, ..new_job("finish") }).await.unwrap_err();
    assert!(matches!(error, JobsError::Invalid(_)), "{error}");
    let long = new_job(&" ".repeat(crate::MAX_SPEC_BYTES + 1));
    assert!(matches!(yard.jobs.submit(long).await, Err(JobsError::Invalid(_))));
    yard.submit("hang").await;
    yard.submit("hang").await;
    let full = yard.jobs.submit(new_job("finish")).await.unwrap_err();
    assert!(matches!(full, JobsError::QueueFull { limit: 2 }), "{full}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fits_no_more_after_a_restart_fails_with_a_message() {
    let mut yard = Yard::new();
    let id =
        yard.jobs.submit(NewJob { demand: Demand { threads: 2, memory_bytes: 1 }, ..new_job("hang") }).await;
    let id = id.unwrap().id;
    yard.jobs.shutdown().await;
    yard.options.capacity.threads = 1;
    yard.start();
    let job = yard.ended(id).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(message(&job).contains("more than the 1 thread"), "{}", message(&job));
}

#[tokio::test(start_paused = true)]
async fn cancelling_kills_the_child_of_a_running_job_and_ends_a_queued_one() {
    let yard = Yard::new();
    let running = [yard.submit("1 gate").await, yard.submit("1 hang").await];
    let queued = yard.submit("finish").await;
    yard.launcher.at_gate().await;
    assert_eq!(yard.jobs.cancel(queued).await.unwrap().state, JobState::Cancelled);
    let begun = tokio::time::Instant::now();
    for id in running {
        assert!(yard.jobs.cancel(id).await.unwrap().cancel_requested);
        let job = yard.ended(id).await;
        assert_eq!((job.state, version(&job)), (JobState::Cancelled, None));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!((yard.launcher.alive(), yard.results.versions()), (0, 0));
    for id in [queued, running[0]] {
        let error = yard.jobs.cancel(id).await.unwrap_err();
        assert!(matches!(error, JobsError::Ended { state: JobState::Cancelled, .. }), "{error}");
    }
    let unknown = JobId::from_bits(1);
    assert_eq!(yard.jobs.cancel(unknown).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(yard.jobs.job(unknown).await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_job_called_off_while_its_result_is_registered_makes_no_version() {
    let yard = Yard::new();
    yard.results.close_gate();
    let id = yard.submit("finish").await;
    yard.results.at_gate().await;
    yard.jobs.cancel(id).await.unwrap();
    let job = yard.ended(id).await;
    yard.results.open_gate();
    assert_eq!((job.state, yard.results.versions()), (JobState::Cancelled, 0));
}

#[tokio::test(start_paused = true)]
async fn old_jobs_are_forgotten_and_their_files_given_up() {
    let yard = Yard::with(Arc::new(crate::NoSearches), |options| options.retention = Duration::from_secs(60));
    let id = yard.submit("finish").await;
    yard.ended(id).await;
    yard.clock.advance(Duration::from_secs(2 * 3600));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(matches!(yard.jobs.job(id).await, Err(JobsError::Unknown(_))));
}
