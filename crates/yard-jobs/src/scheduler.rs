//! The one task that changes jobs, and the handle by which others reach it.

mod follow;
mod handle;
mod owner;
mod runner;
mod search;
#[cfg(test)]
mod tests;

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::sync::{broadcast, mpsc};

pub use follow::{Followed, Follower};
pub use handle::Jobs;

use crate::{Capacity, Clock, HolderId, JobStore, JobsError, Launcher, Planner, Policy, Results};

/// Limits and times. Made by [`SchedulerOptions::new`], then changed field by field.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// What all running jobs may take together.
    pub capacity: Capacity,
    /// How long smaller jobs may pass one that does not fit yet. Default: 10 minutes.
    pub patience: Duration,
    /// Most jobs that are queued or running. Default: 1000.
    pub max_unfinished: usize,
    /// How long a job stays held without a heartbeat. Default: 30 seconds.
    pub lease: Duration,
    /// How often leases are renewed, and jobs looked for whose holder is gone. Default: 5 seconds.
    pub heartbeat: Duration,
    /// Whether this process is the only one with this store, as with a locked data directory. Jobs that an earlier
    /// process left running are then taken up at once, not when their leases expire. Default: true.
    pub exclusive: bool,
    /// How many children of a job may die without a checkpoint in between; after the last one the job fails.
    /// Default: 3.
    pub max_deaths: u32,
    /// How many times the server may vanish under a job without a checkpoint in between; after the last one the job
    /// fails, for it may be what takes the server down. Default: 10.
    pub max_losses: u32,
    /// How long ended jobs are kept. Default: 90 days.
    pub retention: Duration,
    /// How many events a follower may be behind before it misses some. Default: 1024.
    pub event_buffer: NonZeroUsize,
}

/// What a scheduler works with.
#[derive(Clone)]
pub struct SchedulerParts {
    /// Where rows are kept.
    pub store: Arc<dyn JobStore>,
    /// What starts children.
    pub launcher: Arc<dyn Launcher>,
    /// Where results go.
    pub results: Arc<dyn Results>,
    /// What decides about searches.
    pub planner: Arc<dyn Planner>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Starts the scheduler.
#[derive(Debug, Clone, Copy)]
pub struct Scheduler;

/// Commands that may wait for the owner task.
const WAITING_COMMANDS: usize = 64;

impl Scheduler {
    /// Starts the task that owns all jobs of the store, and gives its handle. Jobs that an earlier process left running
    /// are queued again, to go on from their last checkpoint.
    pub fn start(parts: SchedulerParts, options: SchedulerOptions) -> Result<Jobs, JobsError> {
        let (jobs, work) = Self::prepare(parts, options)?;
        tokio::spawn(work);
        Ok(jobs)
    }

    /// The handle, and the work of the owner task.
    fn prepare(
        parts: SchedulerParts,
        options: SchedulerOptions,
    ) -> Result<(Jobs, impl Future<Output = ()> + Send + 'static), JobsError> {
        let holder = HolderId::random().map_err(JobsError::Random)?;
        let (commands, waiting) = mpsc::channel(WAITING_COMMANDS);
        let (events, _) = broadcast::channel(options.event_buffer.get());
        let jobs = Jobs::new(Arc::clone(&parts.store), commands, events.downgrade());
        let owner = owner::Owner::new(parts, options, holder, events);
        Ok((jobs, owner.run(waiting)))
    }
}

// === impl SchedulerOptions ===

impl SchedulerOptions {
    /// The defaults, for this capacity.
    pub fn new(capacity: Capacity) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            capacity,
            patience: 10 * MINUTE,
            max_unfinished: 1000,
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            exclusive: true,
            max_deaths: 3,
            max_losses: 10,
            retention: 90 * 24 * 60 * MINUTE,
            event_buffer: NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN),
        }
    }

    fn policy(&self) -> Policy {
        Policy { capacity: self.capacity, patience: self.patience }
    }
}

// === impl SchedulerParts ===

impl fmt::Debug for SchedulerParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SchedulerParts").finish_non_exhaustive()
    }
}
