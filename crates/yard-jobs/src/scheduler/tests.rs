//! The scheduler over a store in memory, with children that are tasks. Time is paused: where the scheduler waits, it is
//! the only one to wait, and the clock jumps.

mod endings;
mod faults;
mod following;
mod searches;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::*;
use crate::{
    Job, JobFailure, JobId, JobState, NewJob, SearchStep,
    testing::{ManualClock, MemoryJobStore, ScriptedLauncher, StandInResults, new_job},
};

/// What outlives a server, and the server that runs at present.
struct Yard {
    store: Arc<MemoryJobStore>,
    launcher: Arc<ScriptedLauncher>,
    results: Arc<StandInResults>,
    clock: Arc<ManualClock>,
    planner: Arc<dyn Planner>,
    options: SchedulerOptions,
    jobs: Jobs,
    server: JoinHandle<()>,
}

impl Yard {
    fn new() -> Self {
        Self::with(Arc::new(crate::NoSearches), |_| {})
    }

    fn with(planner: Arc<dyn Planner>, change: impl FnOnce(&mut SchedulerOptions)) -> Self {
        let (store, clock) = (Arc::new(MemoryJobStore::default()), Arc::new(ManualClock::default()));
        Self::over(store, clock, planner, change)
    }

    fn over(
        store: Arc<MemoryJobStore>,
        clock: Arc<ManualClock>,
        planner: Arc<dyn Planner>,
        change: impl FnOnce(&mut SchedulerOptions),
    ) -> Self {
        let results = Arc::new(StandInResults::new(Arc::clone(&store), Arc::clone(&clock)));
        let launcher = Arc::new(ScriptedLauncher::default());
        let mut options = SchedulerOptions::new(Capacity { threads: 2, memory_bytes: 1 << 30 });
        change(&mut options);
        let parts = SchedulerParts {
            store: Arc::clone(&store) as _,
            launcher: Arc::clone(&launcher) as _,
            results: Arc::clone(&results) as _,
            planner: Arc::clone(&planner),
            clock: Arc::clone(&clock) as _,
        };
        let (jobs, work) = Scheduler::prepare(parts, options.clone()).unwrap();
        Self { store, launcher, results, clock, planner, options, jobs, server: tokio::spawn(work) }
    }

    /// Ends the server as `kill -9` does, and its children with it. Rows stay as they are.
    async fn kill(&mut self) {
        self.server.abort();
        let ended = (&mut self.server).await;
        assert!(ended.unwrap_err().is_cancelled());
        while self.launcher.alive() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Starts another server over the same rows.
    fn start(&mut self) {
        let parts = SchedulerParts {
            store: Arc::clone(&self.store) as _,
            launcher: Arc::clone(&self.launcher) as _,
            results: Arc::clone(&self.results) as _,
            planner: Arc::clone(&self.planner),
            clock: Arc::clone(&self.clock) as _,
        };
        let (jobs, work) = Scheduler::prepare(parts, self.options.clone()).unwrap();
        (self.jobs, self.server) = (jobs, tokio::spawn(work));
    }

    async fn submit(&self, script: &str) -> JobId {
        self.jobs.submit(new_job(script)).await.unwrap().id
    }

    async fn row(&self, id: JobId) -> Job {
        // Not by the handle: the store may have been told to fail.
        self.store.job(id).await.unwrap().unwrap()
    }

    /// Waits until the job has ended.
    async fn ended(&self, id: JobId) -> Job {
        self.until(id, |job| job.state.is_final()).await
    }

    async fn until(&self, id: JobId, reached: impl Fn(&Job) -> bool) -> Job {
        let wait = async {
            let mut follower = self.jobs.follow(id);
            loop {
                if let Ok(job) = self.jobs.job(id).await
                    && reached(&job)
                {
                    return job;
                }
                tokio::select! {
                    followed = follower.next() => assert_ne!(followed, Followed::Stopped, "the scheduler has stopped"),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        };
        // An hour of paused time: nothing here takes so long unless it hangs.
        tokio::time::timeout(Duration::from_secs(3600), wait).await.expect("the job hangs")
    }
}

fn version(job: &Job) -> Option<u32> {
    job.result.as_ref().and_then(|result| result.version).map(yard_types::VersionNumber::get)
}

fn message(job: &Job) -> &str {
    job.failure.as_ref().map_or("", |failure: &JobFailure| failure.message.as_str())
}
