//! States, claims and leases.

use yard_types::{ErrorCode, Timestamp};

use super::{Store, failed, id, job, lease, running, start};
use crate::{
    Checkpoint, Claim, Ending, EventBody, HolderId, Job, JobFailure, JobResult, JobState, JobStoreError,
    Lease, Report, Setback, Setbacks,
};

fn is_conflict<T>(result: Result<T, JobStoreError>) -> bool {
    matches!(result, Err(JobStoreError::Conflict(_)))
}

/// Nothing is lost or bent.
pub async fn a_job_is_read_back_as_written(store: Store) {
    let queued = job(1, 10);
    store.insert(&queued).await.unwrap();
    assert!(is_conflict(store.insert(&queued).await));
    assert_eq!(store.job(id(1)).await.unwrap(), Some(queued.clone()));
    assert_eq!(store.job(id(2)).await.unwrap(), None);
    let event = store.start(id(1), &lease(7), Timestamp(20)).await.unwrap();
    assert_eq!(
        (event.job, event.at, &event.body),
        (id(1), Timestamp(20), &EventBody::State(JobState::Running))
    );
    let expected = Job {
        state: JobState::Running,
        started_at: Some(Timestamp(20)),
        attempt: 1,
        lease: Some(lease(7)),
        sequence: event.sequence,
        ..queued
    };
    assert_eq!(store.job(id(1)).await.unwrap(), Some(expected));
}

/// Tries every change in every state.
pub async fn jobs_go_through_their_states_and_no_others(store: Store) {
    for (number, state) in JobState::ALL.into_iter().enumerate() {
        for change in 0..6_u8 {
            let bits = number as u128 * 10 + u128::from(change) + 1;
            store.insert(&job(bits, 10)).await.unwrap();
            let mut claim = Claim { job: id(bits), holder: HolderId::from_bits(1), attempt: 1 };
            if state != JobState::Queued {
                claim = start(&store, id(bits)).await;
            }
            let ended = match state {
                JobState::Queued | JobState::Running => None,
                JobState::Succeeded => Some(Ending::Succeeded("{}".to_owned())),
                JobState::Failed => Some(failed()),
                JobState::Cancelled => Some(Ending::Cancelled),
            };
            if let Some(ending) = ended {
                store.finish(&claim, &ending, Timestamp(200)).await.unwrap();
            }
            let before = store.job(id(bits)).await.unwrap().unwrap();
            assert_eq!(before.state, state);
            let at = Timestamp(300);
            let (result, to) = match change {
                0 => (store.start(id(bits), &lease(1), at).await, JobState::Running),
                1 => (store.requeue(&claim, None, at).await, JobState::Queued),
                2 => {
                    (store.finish(&claim, &Ending::Succeeded("{}".to_owned()), at).await, JobState::Succeeded)
                }
                3 => (store.finish(&claim, &failed(), at).await, JobState::Failed),
                4 => (store.end_queued(id(bits), &failed(), at).await, JobState::Failed),
                _ => (store.end_queued(id(bits), &Ending::Cancelled, at).await, JobState::Cancelled),
            };
            let of_running = matches!(change, 1..=3);
            let expected = state.may_become(to) && of_running == (state == JobState::Running);
            assert_eq!(result.is_ok(), expected, "{state} -> {to} by change {change}");
            let after = store.job(id(bits)).await.unwrap().unwrap();
            if expected {
                assert_eq!(after.state, to);
            } else {
                assert!(is_conflict(result), "{state} -> {to}");
                assert_eq!(after, before, "what is refused changes nothing");
            }
        }
    }
}

/// Neither an earlier attempt nor another holder.
pub async fn only_the_present_claim_changes_a_running_job(store: Store) {
    let first = running(&store, job(1, 10)).await;
    store.requeue(&first, None, Timestamp(150)).await.unwrap();
    let second = start(&store, id(1)).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let stranger = Claim { holder: HolderId::from_bits(9), ..second };
    for claim in [first, stranger] {
        assert!(is_conflict(store.requeue(&claim, None, Timestamp(160)).await));
        assert!(is_conflict(store.finish(&claim, &Ending::Cancelled, Timestamp(160)).await));
        assert!(is_conflict(store.record(&claim, &[], Timestamp(160)).await));
    }
    assert_eq!(store.job(id(1)).await.unwrap().unwrap().started_at, Some(Timestamp(100)));
    store.finish(&second, &Ending::Cancelled, Timestamp(160)).await.unwrap();
}

/// Of many schedulers one gets it.
pub async fn a_job_is_taken_once_however_many_want_it(store: Store) {
    store.insert(&job(1, 10)).await.unwrap();
    let mut tasks = Vec::new();
    for holder in 1..=20 {
        let store = store.clone();
        tasks.push(tokio::spawn(
            async move { store.start(id(1), &lease(holder), Timestamp(20)).await.is_ok() },
        ));
    }
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert_eq!(store.job(id(1)).await.unwrap().unwrap().attempt, 1);
}

/// Once the call is noted.
pub async fn a_job_that_was_called_off_does_not_succeed(store: Store) {
    store.insert(&job(1, 10)).await.unwrap();
    assert!(is_conflict(store.request_cancel(id(1)).await));
    let claim = start(&store, id(1)).await;
    store.request_cancel(id(1)).await.unwrap();
    store.request_cancel(id(1)).await.unwrap();
    assert!(store.job(id(1)).await.unwrap().unwrap().cancel_requested);
    assert!(is_conflict(store.finish(&claim, &Ending::Succeeded("{}".to_owned()), Timestamp(200)).await));
    assert!(is_conflict(store.requeue(&claim, None, Timestamp(200)).await));
    store.finish(&claim, &Ending::Cancelled, Timestamp(200)).await.unwrap();
    assert!(is_conflict(store.request_cancel(id(1)).await));
}

/// A job that gets on is not given up.
pub async fn setbacks_count_until_a_checkpoint(store: Store) {
    let mut claim = running(&store, job(1, 10)).await;
    for setback in [Some(Setback::ChildDied), Some(Setback::ServerLost), None, Some(Setback::ChildDied)] {
        store.requeue(&claim, setback, Timestamp(110)).await.unwrap();
        claim = start(&store, id(1)).await;
    }
    let setbacks = async || store.job(id(1)).await.unwrap().unwrap().setbacks;
    assert_eq!(setbacks().await, Setbacks { deaths: 2, losses: 1 });
    let checkpoint = Checkpoint { step: 3, file: "c/3".parse().unwrap(), bytes: 9 };
    store.record(&claim, &[Report::Checkpoint(checkpoint)], Timestamp(120)).await.unwrap();
    assert_eq!(setbacks().await, Setbacks::default());
}

/// And by nobody else.
pub async fn leases_are_renewed_by_their_holder(store: Store) {
    for bits in 1..=3 {
        running(&store, job(bits, 10)).await;
    }
    store.insert(&job(4, 10)).await.unwrap();
    store.start(id(4), &lease(2), Timestamp(20)).await.unwrap();
    let claim = store.job(id(3)).await.unwrap().unwrap().claim().unwrap();
    store.finish(&claim, &Ending::Cancelled, Timestamp(30)).await.unwrap();
    let mut held = store.renew(HolderId::from_bits(1), Timestamp(5000)).await.unwrap();
    held.sort();
    assert_eq!(held, [id(1), id(2)]);
    let end = async |bits| store.job(id(bits)).await.unwrap().unwrap().lease;
    let renewed = Lease { holder: HolderId::from_bits(1), expires_at: Timestamp(5000) };
    assert_eq!((end(1).await, end(3).await, end(4).await), (Some(renewed), None, Some(lease(2))));
}

/// Why it failed, what came of it, when.
pub async fn endings_are_kept_with_the_job(store: Store) {
    let code = ErrorCode::InvalidArgument;
    let cases = [
        (Ending::Succeeded("{\"r2\":0.5}".to_owned()), None, Some("{\"r2\":0.5}")),
        (failed(), Some(JobFailure { code, message: "it \"failed\"".to_owned() }), None),
        (Ending::Cancelled, None, None),
    ];
    for (bits, (ending, failure, summary)) in (1..).zip(cases) {
        let claim = running(&store, job(bits, 10)).await;
        let event = store.finish(&claim, &ending, Timestamp(200)).await.unwrap();
        assert_eq!((event.at, &event.body), (Timestamp(200), &EventBody::State(ending.state())));
        let job = store.job(id(bits)).await.unwrap().unwrap();
        let result = summary.map(|summary| JobResult { version: None, summary: summary.to_owned() });
        assert_eq!((job.state, job.failure, job.result), (ending.state(), failure, result));
        assert_eq!((job.ended_at, job.lease, job.sequence), (Some(Timestamp(200)), None, event.sequence));
    }
}

/// And not made up.
pub async fn what_is_not_there_is_missing(store: Store) {
    let missing = |result: Result<(), JobStoreError>| matches!(result, Err(JobStoreError::Missing(_)));
    let claim = Claim { job: id(1), holder: HolderId::from_bits(1), attempt: 1 };
    let at = Timestamp(1);
    assert!(missing(store.start(id(1), &lease(1), at).await.map(drop)));
    assert!(missing(store.requeue(&claim, None, at).await.map(drop)));
    assert!(missing(store.finish(&claim, &Ending::Cancelled, at).await.map(drop)));
    assert!(missing(store.end_queued(id(1), &Ending::Cancelled, at).await.map(drop)));
    assert!(missing(store.request_cancel(id(1)).await));
    assert!(missing(store.record(&claim, &[], at).await.map(drop)));
    assert!(missing(store.events(id(1), 0, 9).await.map(drop)));
    assert!(missing(store.metrics(id(1)).await.map(drop)));
    assert!(missing(store.log_lines(id(1), 9).await.map(drop)));
    assert!(missing(store.checkpoints(id(1)).await.map(drop)));
}
