//! What goes wrong around jobs: servers that are killed, stores that fail, leases that run out.

use yard_types::Timestamp;

use super::*;
use crate::{Ending, Lease, testing::LaunchNote};

#[tokio::test(start_paused = true)]
async fn a_server_killed_at_any_stage_leaves_no_ghost() {
    // The script has a gate where the server is killed.
    for (script, resumed, expected_metrics) in [
        ("gate 1 2 | 1 2 finish", None, 2),
        ("1 gate | 1 2 finish", None, 2),
        ("1 save:1 gate | 1 2 finish", Some(1), 2),
        ("1 save:1 2 gate | 1 2 3 finish", Some(1), 3),
    ] {
        let mut yard = Yard::new();
        let id = yard.submit(script).await;
        yard.launcher.at_gate().await;
        // What was told before the gate is written.
        tokio::time::sleep(Duration::from_millis(1)).await;
        yard.kill().await;
        assert_eq!(yard.row(id).await.state, JobState::Running, "{script}");
        yard.start();
        let job = yard.ended(id).await;
        assert_eq!((job.state, job.attempt, version(&job)), (JobState::Succeeded, 2, Some(1)), "{script}");
        assert_eq!(yard.launcher.launches()[1], LaunchNote { job: id, attempt: 2, resumed }, "{script}");
        assert_eq!(yard.jobs.metrics(id).await.unwrap().len(), expected_metrics, "{script}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_killed_between_the_end_of_a_child_and_the_commit_makes_one_version_in_the_end() {
    let mut yard = Yard::new();
    yard.results.close_gate();
    let id = yard.submit("1 save:1 2 finish").await;
    yard.results.at_gate().await;
    yard.kill().await;
    assert_eq!((yard.row(id).await.state, yard.results.versions()), (JobState::Running, 0));
    yard.results.open_gate();
    yard.start();
    let job = yard.ended(id).await;
    assert_eq!((job.state, version(&job), yard.results.versions()), (JobState::Succeeded, Some(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_counts_and_one_that_failed_is_tried_again() {
    let yard = Yard::new();
    yard.results.fail_after(1);
    let id = yard.submit("finish").await;
    assert_eq!(version(&yard.ended(id).await), Some(1));
    yard.results.fail_before(3);
    let id = yard.submit("finish").await;
    let job = yard.ended(id).await;
    assert_eq!((version(&job), job.attempt), (Some(2), 1));
    yard.results.fail_before(u32::MAX);
    let id = yard.submit("finish").await;
    let job = yard.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Failed, 3), "it does not go on for ever");
    assert_eq!(yard.results.versions(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_loses_no_job() {
    for failures in [1, 5, 12, 40] {
        for script in ["1 gate 2 finish", "1 save:1 gate die | 1 2 finish", "1 gate refuse"] {
            let yard = Yard::new();
            let id = yard.submit(script).await;
            yard.launcher.at_gate().await;
            yard.store.fail_calls(failures);
            // Enough for every attempt there may be.
            yard.launcher.open(9);
            let job = yard.ended(id).await;
            let refused = script.contains("refuse");
            let state = if refused { JobState::Failed } else { JobState::Succeeded };
            assert_eq!(job.state, state, "{script} {failures}");
            assert_eq!(yard.results.versions(), u32::from(!refused), "{script} {failures}");
            assert_eq!(yard.launcher.alive(), 0, "{script} {failures}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_leaves_jobs_that_the_next_server_goes_on_with() {
    let mut yard = Yard::new();
    let running = yard.submit("1 save:1 gate | 1 2 finish").await;
    yard.submit("hang | finish").await;
    let queued = yard.submit("finish").await;
    yard.launcher.at_gate().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    yard.jobs.shutdown().await;
    assert_eq!(yard.launcher.alive(), 0);
    let job = yard.row(running).await;
    assert_eq!((job.state, job.setbacks), (JobState::Queued, crate::Setbacks::default()));
    assert!(matches!(yard.jobs.submit(new_job("finish")).await, Err(JobsError::Stopping)));
    assert_eq!(yard.jobs.follow(running).next().await, Followed::Stopped);
    yard.jobs.shutdown().await;
    yard.start();
    for id in [running, queued] {
        assert_eq!(yard.ended(id).await.state, JobState::Succeeded);
    }
    let resumed = yard.launcher.launches().iter().any(|note| note.job == running && note.resumed == Some(1));
    assert!(resumed, "{:?}", yard.launcher.launches());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_the_server_down_again_and_again_fails_in_the_end() {
    let mut yard = Yard::with(Arc::new(crate::NoSearches), |options| options.max_losses = 3);
    let id = yard.submit("gate").await;
    for loss in 1..=3 {
        yard.launcher.at_gate().await;
        yard.kill().await;
        assert_eq!(yard.launcher.launches().len(), loss);
        yard.start();
    }
    let job = yard.ended(id).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(message(&job).contains("3 times"), "{}", message(&job));
}

#[tokio::test(start_paused = true)]
async fn a_job_called_off_just_before_the_server_was_killed_stays_off() {
    let mut yard = Yard::new();
    let id = yard.submit("gate").await;
    yard.launcher.at_gate().await;
    yard.kill().await;
    yard.store.request_cancel(id).await.unwrap();
    yard.start();
    assert_eq!(yard.ended(id).await.state, JobState::Cancelled);
    assert_eq!(yard.launcher.launches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_server_holds_is_left_alone_until_its_lease_runs_out() {
    let (store, clock) = (Arc::new(MemoryJobStore::default()), Arc::new(ManualClock::default()));
    let job = Job::queued(new_job("finish"), JobId::from_bits(1), Timestamp(0));
    store.insert(&job).await.unwrap();
    let lease = Lease { holder: HolderId::from_bits(9), expires_at: Timestamp(60_000) };
    store.start(job.id, &lease, Timestamp(0)).await.unwrap();
    let shared = |options: &mut SchedulerOptions| options.exclusive = false;
    let yard = Yard::over(store, clock, Arc::new(crate::NoSearches), shared);
    yard.clock.advance(Duration::from_secs(59));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(yard.row(job.id).await.lease, Some(lease));
    yard.clock.advance(Duration::from_secs(1));
    let job = yard.ended(job.id).await;
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_renew_the_lease_of_a_running_job() {
    let yard = Yard::new();
    let id = yard.submit("gate").await;
    yard.launcher.at_gate().await;
    let first = yard.row(id).await.lease.unwrap();
    yard.clock.advance(Duration::from_secs(7));
    tokio::time::sleep(Duration::from_secs(6)).await;
    let renewed = yard.row(id).await.lease.unwrap();
    assert_eq!(renewed.expires_at, first.expires_at.plus_milliseconds(7000));
    assert_eq!(renewed.holder, first.holder);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_taken_for_dead_kills_its_child_and_writes_nothing() {
    let yard = Yard::with(Arc::new(crate::NoSearches), |options| options.exclusive = false);
    for told in [false, true] {
        let id = yard.submit("1 gate 2 finish").await;
        yard.launcher.at_gate().await;
        let claim = yard.row(id).await.claim().unwrap();
        yard.store.requeue(&claim, None, Timestamp(0)).await.unwrap();
        let lease = Lease { holder: HolderId::from_bits(9), expires_at: Timestamp(i64::MAX) };
        yard.store.start(id, &lease, Timestamp(0)).await.unwrap();
        let other = yard.row(id).await;
        if told {
            // The child tells something before the heartbeat finds out: that is refused.
            yard.launcher.open(1);
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(yard.launcher.alive(), 0);
        assert_eq!(yard.row(id).await, other);
        assert!(yard.store.finish(&claim, &Ending::Cancelled, Timestamp(0)).await.is_err());
    }
    assert_eq!(yard.results.versions(), 0);
}
