//! Watching a job: what has happened, then what happens, in one sequence.

use yard_access::Principal;
use yard_jobs::{EventBody, Followed, Follower, JobEvent, JobId, Jobs};

use super::{Application, ApplicationError};

/// Most events that are read and told at once.
const EVENTS_AT_ONCE: u32 = 200;

/// What a watcher gets.
#[derive(Debug)]
pub(crate) enum Watched {
    /// These happened, in this order.
    Events(Vec<JobEvent>),
    /// It was too slow and missed some after this one; what is kept of them comes again.
    Missed(u64),
}

/// One watcher of one job. It holds a bounded number of events, however slow its reader is.
#[derive(Debug)]
pub(crate) struct JobWatch {
    jobs: Jobs,
    id: JobId,
    /// Subscribed before anything was read, so that nothing falls between.
    follower: Follower,
    seen: u64,
    /// Whether the store may have events that were not seen.
    is_behind: bool,
    is_over: bool,
}

impl Application {
    /// Watches a job of a model that the key may see, from the event after this one.
    pub(crate) async fn watch_job(
        &self,
        principal: &Principal,
        id: JobId,
        after: u64,
    ) -> Result<JobWatch, ApplicationError> {
        self.visible_job(principal, id).await?;
        let jobs = self.jobs()?.clone();
        let follower = jobs.follow(id);
        Ok(JobWatch { jobs, id, follower, seen: after, is_behind: true, is_over: false })
    }
}

impl JobWatch {
    /// Waits for what comes next; `None` when the job has ended or its scheduler stops. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Watched>, ApplicationError> {
        while !self.is_over {
            if self.is_behind {
                let events = self.jobs.events(self.id, self.seen, EVENTS_AT_ONCE).await?;
                if events.is_empty() {
                    let job = self.jobs.job(self.id).await?;
                    self.is_behind = false;
                    // Otherwise it ended in between, and the follower has it.
                    self.is_over = job.state.is_final() && job.sequence <= self.seen;
                    continue;
                }
                return Ok(Some(self.told(events)));
            }
            match self.follower.next().await {
                Followed::Event(event) if event.sequence <= self.seen => {}
                Followed::Event(event) => return Ok(Some(self.told(vec![event]))),
                Followed::Missed => {
                    self.is_behind = true;
                    return Ok(Some(Watched::Missed(self.seen)));
                }
                Followed::Stopped => self.is_over = true,
            }
        }
        Ok(None)
    }

    fn told(&mut self, events: Vec<JobEvent>) -> Watched {
        if let Some(last) = events.last() {
            self.seen = last.sequence;
            self.is_over = matches!(last.body, EventBody::State(state) if state.is_final());
        }
        Watched::Events(events)
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc};

    use futures_util::FutureExt as _;
    use yard_jobs::{
        Capacity, NoSearches, Scheduler, SchedulerOptions, SchedulerParts,
        testing::{ManualClock, MemoryJobStore, ScriptedLauncher, StandInResults, new_job},
    };

    use super::*;

    /// A scheduler whose followers may be two events behind, and what starts its children.
    fn scheduler() -> (Jobs, Arc<ScriptedLauncher>) {
        let (store, clock) = (Arc::new(MemoryJobStore::default()), Arc::new(ManualClock::default()));
        let launcher = Arc::new(ScriptedLauncher::default());
        let mut options = SchedulerOptions::new(Capacity { threads: 2, memory_bytes: 1 << 30 });
        options.event_buffer = NonZeroUsize::new(2).unwrap();
        let parts = SchedulerParts {
            results: Arc::new(StandInResults::new(Arc::clone(&store), Arc::clone(&clock))),
            store,
            launcher: Arc::clone(&launcher) as _,
            planner: Arc::new(NoSearches),
            clock,
        };
        (Scheduler::start(parts, options).unwrap(), launcher)
    }

    fn watch(jobs: &Jobs, id: JobId, after: u64) -> JobWatch {
        let (jobs, follower) = (jobs.clone(), jobs.follow(id));
        JobWatch { jobs, id, follower, seen: after, is_behind: true, is_over: false }
    }

    async fn until_ended(jobs: &Jobs, id: JobId) -> u64 {
        loop {
            let job = jobs.job(id).await.unwrap();
            if job.state.is_final() {
                return job.sequence;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_slow_watcher_hears_that_it_missed_some_and_gets_what_is_kept() {
        let (jobs, launcher) = scheduler();
        let id = jobs.submit(new_job("gate 1 2 3 4 finish")).await.unwrap().id;
        launcher.at_gate().await;
        let mut watch = watch(&jobs, id, 0);
        let Some(Watched::Events(first)) = watch.next().await.unwrap() else { panic!("it is running") };
        assert!(watch.next().now_or_never().is_none(), "it has read all there is");
        launcher.open(1);
        let last = until_ended(&jobs, id).await;
        let Some(Watched::Missed(after)) = watch.next().await.unwrap() else { panic!("it was not slow") };
        assert_eq!(Some(after), first.last().map(|event| event.sequence));
        let Some(Watched::Events(rest)) = watch.next().await.unwrap() else { panic!("nothing is kept") };
        assert!(rest.iter().all(|event| event.sequence > after));
        assert_eq!(rest.len(), 4 + 4 + 1 + 1, "metrics, lines, the last progress and the state");
        assert_eq!(rest.last().map(|event| event.sequence), Some(last));
        assert!(watch.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_watcher_that_has_seen_the_end_of_a_job_gets_no_more() {
        let (jobs, _launcher) = scheduler();
        let id = jobs.submit(new_job("1 finish")).await.unwrap().id;
        let last = until_ended(&jobs, id).await;
        assert!(watch(&jobs, id, last).next().await.unwrap().is_none());
        assert!(watch(&jobs, id, u64::MAX).next().await.unwrap().is_none());
        let mut all = watch(&jobs, id, 0);
        assert!(matches!(all.next().await.unwrap(), Some(Watched::Events(_))));
        assert!(all.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_watch_ends_with_its_scheduler() {
        let (jobs, launcher) = scheduler();
        let id = jobs.submit(new_job("gate finish")).await.unwrap().id;
        launcher.at_gate().await;
        let mut watch = watch(&jobs, id, 0);
        assert!(watch.next().await.unwrap().is_some());
        jobs.shutdown().await;
        // It is queued again, or was missed: whatever is told then, there is an end.
        while watch.next().await.unwrap().is_some() {}
    }
}
