//! Lists, searches, and what is forgotten.

use yard_types::Timestamp;

use super::{Store, id, job, running, search, start, trial};
use crate::{Ending, Job, JobId, JobQuery, JobState, JobStoreError};

fn ids(jobs: Vec<Job>) -> Vec<JobId> {
    jobs.into_iter().map(|job| job.id).collect()
}

fn all(limit: u32) -> JobQuery {
    JobQuery { state: None, search: None, after: None, limit }
}

/// Page by page, without trials.
pub async fn pages_list_the_newest_first(store: Store) {
    for (bits, at) in [(1, 30), (2, 10), (3, 20), (4, 20)] {
        store.insert(&job(bits, at)).await.unwrap();
    }
    running(&store, search(5, 5)).await;
    store.insert(&trial(6, 5, 0)).await.unwrap();
    let first = store.jobs(&all(3)).await.unwrap();
    let last = first[2].clone();
    assert_eq!(ids(first), [id(1), id(4), id(3)]);
    let rest = JobQuery { after: Some((last.created_at, last.id)), ..all(9) };
    assert_eq!(ids(store.jobs(&rest).await.unwrap()), [id(2), id(5)]);
    let of_state = JobQuery { state: Some(JobState::Running), ..all(9) };
    assert_eq!(ids(store.jobs(&of_state).await.unwrap()), [id(5)]);
    let of_search = JobQuery { search: Some(id(5)), ..all(9) };
    assert_eq!(ids(store.jobs(&of_search).await.unwrap()), [id(6)]);
}

/// Oldest first, trials among them.
pub async fn active_jobs_are_those_that_have_not_ended(store: Store) {
    let ended = running(&store, job(1, 1)).await;
    store.finish(&ended, &Ending::Cancelled, Timestamp(9)).await.unwrap();
    store.insert(&job(2, 60)).await.unwrap();
    running(&store, search(3, 20)).await;
    store.insert(&trial(4, 3, 0)).await.unwrap();
    assert_eq!(ids(store.active().await.unwrap()), [id(3), id(4), id(2)]);
}

/// And each number is taken once.
pub async fn trials_belong_to_a_running_search(store: Store) {
    let refused = async |trial: Job| matches!(store.insert(&trial).await, Err(JobStoreError::Conflict(_)));
    assert!(refused(trial(2, 1, 0)).await, "there is no search");
    store.insert(&search(1, 10)).await.unwrap();
    assert!(refused(trial(2, 1, 0)).await, "it does not run");
    let claim = start(&store, id(1)).await;
    store.insert(&trial(2, 1, 1)).await.unwrap();
    store.insert(&trial(3, 1, 0)).await.unwrap();
    assert!(refused(trial(4, 1, 0)).await, "the number is taken");
    running(&store, job(5, 10)).await;
    assert!(refused(trial(6, 5, 0)).await, "that is no search");
    let trials = store.trials(id(1)).await.unwrap();
    assert_eq!(trials[0], trial(3, 1, 0));
    assert_eq!(ids(trials), [id(3), id(2)]);
    store.finish(&claim, &Ending::Cancelled, Timestamp(200)).await.unwrap();
    assert!(refused(trial(4, 1, 2)).await, "it has ended");
}

/// Not before their search is old.
pub async fn old_jobs_are_forgotten_with_their_trials(store: Store) {
    let end = async |claim, at| store.finish(&claim, &Ending::Cancelled, Timestamp(at)).await.unwrap();
    end(running(&store, job(1, 1)).await, 100).await;
    end(running(&store, job(2, 1)).await, 200).await;
    store.insert(&job(3, 1)).await.unwrap();
    let old = running(&store, search(4, 1)).await;
    let recent = running(&store, search(5, 1)).await;
    end(running(&store, trial(6, 4, 0)).await, 120).await;
    end(running(&store, trial(7, 5, 0)).await, 20).await;
    end(old, 130).await;
    end(recent, 230).await;
    let mut forgotten = store.forget(Timestamp(200)).await.unwrap();
    forgotten.sort();
    assert_eq!(forgotten, [id(1), id(4), id(6)]);
    assert_eq!(store.job(id(6)).await.unwrap(), None);
    assert_eq!(store.trials(id(5)).await.unwrap().len(), 1);
    assert_eq!(store.forget(Timestamp(200)).await.unwrap(), []);
}
