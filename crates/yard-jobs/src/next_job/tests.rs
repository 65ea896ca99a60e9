use proptest::prelude::*;

use super::*;
use crate::{NewJob, Owner};

const MIB: u64 = 1 << 20;

fn job(id: u128, created_at: i64, threads: u32, memory: u64) -> Job {
    let new = NewJob {
        kind: JobKind::Train,
        model: "m".parse().unwrap(),
        spec: "{}".to_owned(),
        inputs: Vec::new(),
        demand: Demand { threads, memory_bytes: memory * MIB },
        owner: Owner("o".to_owned()),
    };
    Job::queued(new, JobId::from_bits(id), Timestamp(created_at))
}

fn running(job: Job) -> Job {
    Job { state: JobState::Running, ..job }
}

fn trial(search: u128, job: Job) -> Job {
    let number = u32::try_from(job.created_at.0).unwrap();
    Job { kind: JobKind::Trial { search: JobId::from_bits(search), number }, ..job }
}

fn policy(threads: u32, memory: u64) -> Policy {
    Policy {
        capacity: Capacity { threads, memory_bytes: memory * MIB },
        patience: Duration::from_millis(100),
    }
}

#[track_caller]
fn check(jobs: &[Job], now: i64, expected: Option<u128>) {
    let expected = expected.map_or(Choice::Wait, |id| Choice::Start(JobId::from_bits(id)));
    assert_eq!(next_job(jobs, &policy(4, 100), Timestamp(now)), expected);
}

#[test]
fn the_oldest_comes_first() {
    check(&[], 0, None);
    check(&[job(1, 20, 1, 1), job(2, 10, 1, 1)], 30, Some(2));
    check(&[job(2, 10, 1, 1), job(1, 10, 1, 1)], 30, Some(1));
}

#[test]
fn neither_threads_nor_memory_are_given_twice() {
    let busy = running(job(9, 0, 3, 60));
    check(&[busy.clone(), job(1, 10, 1, 40)], 20, Some(1));
    check(&[busy.clone(), job(1, 10, 2, 40)], 20, None);
    check(&[busy.clone(), job(1, 10, 1, 41)], 20, None);
    check(&[busy, running(job(8, 0, 9, 900)), job(1, 10, 1, 1)], 20, None);
}

#[test]
fn a_small_job_passes_one_that_does_not_fit_until_its_patience_is_over() {
    let jobs = [running(job(9, 0, 3, 1)), job(1, 10, 2, 1), job(2, 50, 1, 1)];
    check(&jobs, 109, Some(2));
    check(&jobs, 110, None);
    check(&jobs[1..], 110, Some(1));
}

#[test]
fn trials_of_one_search_leave_room_for_others() {
    let trials = [trial(7, job(1, 1, 1, 1)), trial(7, job(2, 2, 1, 1)), trial(7, job(3, 3, 1, 1))];
    check(&trials, 50, Some(1));
    let mut jobs = trials.to_vec();
    jobs[0] = running(jobs[0].clone());
    check(&jobs, 50, Some(2));
    jobs.push(job(4, 40, 1, 1));
    check(&jobs, 50, Some(4));
    jobs.push(trial(8, job(5, 30, 1, 1)));
    check(&jobs, 50, Some(5));
    // The second search has as much as the first one: the older trial comes first.
    jobs[4] = running(jobs[4].clone());
    jobs.push(trial(8, job(6, 31, 1, 1)));
    jobs.remove(3);
    check(&jobs, 50, Some(2));
}

#[test]
fn a_trial_that_waits_only_for_its_turn_holds_nobody_up() {
    let jobs =
        [running(trial(7, job(1, 1, 2, 1))), trial(7, job(2, 2, 4, 1)), job(3, 400, 3, 1), job(4, 450, 1, 1)];
    check(&jobs, 460, Some(4));
}

#[test]
fn a_search_needs_no_place() {
    let search = Job { kind: JobKind::Search, ..job(1, 10, 0, 0) };
    check(&[running(job(9, 0, 4, 100)), search], 20, Some(1));
}

#[test]
fn what_can_never_fit_fails_with_what_there_is() {
    for (threads, memory) in [(5, 1), (1, 101)] {
        let jobs = [job(1, 0, 1, 1), job(2, 1, threads, memory)];
        let Choice::Fail(id, failure) = next_job(&jobs, &policy(4, 100), Timestamp(2)) else {
            panic!("{threads} {memory}")
        };
        assert_eq!((id, failure.code), (JobId::from_bits(2), ErrorCode::InvalidArgument));
        assert!(failure.message.contains("4 threads and 100 MiB"), "{failure}");
    }
}

prop_compose! {
    fn any_job()(threads in 0_u32..5, memory in 0_u64..50, at in 0_i64..20, search in 0_u128..4) -> Job {
        let job = job(0, at, threads, memory);
        if search == 0 { job } else { trial(search << 64, job) }
    }
}

proptest! {
    /// Plays a whole queue: jobs are started as chosen, and the one that has run longest ends when nothing can start.
    #[test]
    fn every_job_runs_once_and_no_limit_is_ever_broken(mut jobs in prop::collection::vec(any_job(), 0..40)) {
        for (index, job) in jobs.iter_mut().enumerate() {
            job.id = JobId::from_bits(index as u128 + 1);
        }
        let policy = policy(4, 60);
        let (mut begun, mut now) = (Vec::new(), 20);
        loop {
            now += 10;
            match next_job(&jobs, &policy, Timestamp(now)) {
                Choice::Start(id) => {
                    let job = jobs.iter_mut().find(|job| job.id == id).unwrap();
                    prop_assert_eq!(job.state, JobState::Queued);
                    job.state = JobState::Running;
                    begun.push(id);
                }
                Choice::Wait => {
                    let Some(place) = begun.iter().position(|id| {
                        jobs.iter().any(|job| job.id == *id && job.state == JobState::Running)
                    }) else { break };
                    jobs.iter_mut().find(|job| job.id == begun[place]).unwrap().state = JobState::Succeeded;
                }
                Choice::Fail(..) => prop_assert!(false, "all fit"),
            }
            let running = jobs.iter().filter(|job| job.state == JobState::Running);
            let (threads, memory) = running.fold((0, 0), |(threads, memory), job| {
                (threads + job.demand.threads, memory + job.demand.memory_bytes)
            });
            prop_assert!(threads <= 4 && memory <= 60 * MIB);
        }
        prop_assert_eq!(begun.len(), jobs.len());
    }
}

#[test]
fn what_a_search_asks_for_is_for_its_trials() {
    let search = |id, threads| Job { kind: JobKind::Search, ..job(id, 10, threads, 90) };
    check(&[running(search(7, 4)), trial(7, job(1, 20, 4, 90))], 30, Some(1));
    check(&[running(job(9, 0, 4, 100)), search(7, 4)], 30, Some(7));
    let Choice::Fail(..) = next_job(&[search(7, 5)], &policy(4, 100), Timestamp(30)) else {
        panic!("its trials would never run");
    };
}
