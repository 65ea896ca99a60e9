//! What the scheduler asks of the place where its rows are kept.

use async_trait::async_trait;
use yard_types::Timestamp;

use crate::{
    Checkpoint, Claim, Ending, HolderId, Job, JobEvent, JobId, JobState, Lease, LogLine, Metric, Report,
    Setback,
};

/// Most metrics of one job; further ones are dropped.
pub const MAX_METRICS: u32 = 50_000;
/// Most log lines of one job; the oldest are dropped.
pub const MAX_LOG_LINES: u32 = 2_000;
/// How many checkpoints of a job are kept: the newest by step.
pub const KEPT_CHECKPOINTS: u32 = 3;
/// Longest specification.
pub const MAX_SPEC_BYTES: usize = 256 << 10;
/// Longest summary.
pub const MAX_SUMMARY_BYTES: usize = 256 << 10;
/// Longest line, message or name in what a child tells; longer ones are cut.
pub const MAX_TEXT_BYTES: usize = 4096;

/// How the store fails.
#[derive(Debug, thiserror::Error)]
pub enum JobStoreError {
    /// The state changed under the caller, or does not allow the change; the text is for the caller.
    #[error("{0}")]
    Conflict(String),
    /// The rows that the caller named are not there.
    #[error("{0} is not there")]
    Missing(String),
    /// There is no room for the change; nothing was changed.
    #[error("the disk of the server is full: nothing can be changed until its operator frees some space")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store itself failed.
    #[error("the job store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which jobs to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobQuery {
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only the trials of this search; `None` lists no trials at all.
    pub search: Option<JobId>,
    /// Only those after this one on the list: the last one of the page before.
    pub after: Option<(Timestamp, JobId)>,
    /// At most so many.
    pub limit: u32,
}

/// Rows of jobs. Every method is one transaction; after it returns the change survives a crash.
///
/// Changes of a running job need its present [`Claim`]: without one they give [`JobStoreError::Conflict`] and change
/// nothing. Where a state does not allow the change ([`JobState::may_become`]) that is a conflict as well.
/// [`JobStoreError::Missing`] without such a job. Changes give the events they are, with sequence numbers that only grow
/// within a job.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Writes a queued job. A conflict when the id or the number of the trial is taken, or a trial's search is not
    /// running.
    async fn insert(&self, job: &Job) -> Result<(), JobStoreError>;
    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<Job>, JobStoreError>;
    /// A page of jobs, newest first.
    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, JobStoreError>;
    /// All that are queued or running, oldest first.
    async fn active(&self) -> Result<Vec<Job>, JobStoreError>;
    /// All trials of a search, by number.
    async fn trials(&self, search: JobId) -> Result<Vec<Job>, JobStoreError>;

    /// Takes a queued job: it is running, in its next attempt, held by this lease.
    async fn start(&self, id: JobId, lease: &Lease, at: Timestamp) -> Result<JobEvent, JobStoreError>;
    /// Moves the end of all leases of a holder; gives the jobs it holds.
    async fn renew(&self, holder: HolderId, expires_at: Timestamp) -> Result<Vec<JobId>, JobStoreError>;
    /// Puts a running job back into the queue, counting the setback if there was one. A conflict when it was called off.
    async fn requeue(
        &self,
        claim: &Claim,
        setback: Option<Setback>,
        at: Timestamp,
    ) -> Result<JobEvent, JobStoreError>;
    /// Ends a running job without a version. A conflict when it succeeded but was called off.
    async fn finish(&self, claim: &Claim, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError>;
    /// Ends a queued job: it failed or was called off.
    async fn end_queued(&self, id: JobId, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError>;
    /// Notes that a running job is called off: from now on it can only end as cancelled or failed. A conflict unless it
    /// is running.
    async fn request_cancel(&self, id: JobId) -> Result<(), JobStoreError>;

    /// Writes what a child told. Texts are cut, and rows dropped, at the limits above. A checkpoint clears the setbacks.
    /// Gives the events of what was kept.
    async fn record(
        &self,
        claim: &Claim,
        reports: &[Report],
        at: Timestamp,
    ) -> Result<Vec<JobEvent>, JobStoreError>;
    /// The events of a job after this sequence number, in order, at most `limit`: its metrics, log lines and checkpoints
    /// as kept, its last progress and its last change of state.
    async fn events(&self, id: JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>, JobStoreError>;
    /// The metrics of a job, by split, name and step.
    async fn metrics(&self, id: JobId) -> Result<Vec<Metric>, JobStoreError>;
    /// The newest log lines of a job, in order, at most `limit`, with the moment of each.
    async fn log_lines(&self, id: JobId, limit: u32) -> Result<Vec<(Timestamp, LogLine)>, JobStoreError>;
    /// The checkpoints of a job, by step.
    async fn checkpoints(&self, id: JobId) -> Result<Vec<Checkpoint>, JobStoreError>;

    /// Forgets jobs that ended before this moment, with all their rows, trials only together with their search; gives
    /// which.
    async fn forget(&self, ended_before: Timestamp) -> Result<Vec<JobId>, JobStoreError>;
}
