//! What a job is.

use std::fmt;

use yard_types::{Digest, ErrorCode, ModelName, Timestamp, VersionNumber};

use crate::{Claim, JobId, JobState, Lease, MAX_TEXT_BYTES, Progress};

/// Who a job belongs to: the id of a key, or a part of Modelyard itself. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub String);

/// What kind of work a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// A child trains one model, which is registered.
    Train,
    /// Runs no child itself: it submits trials, and the best one's model is registered.
    Search,
    /// A child trains one model for a search.
    Trial {
        /// The search.
        search: JobId,
        /// Which trial of it, from 0.
        number: u32,
    },
}

/// What a job asks for. What stands in the row of a search is for each of its trials; it takes nothing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Threads that compute.
    pub threads: u32,
    /// Memory of its child.
    pub memory_bytes: u64,
}

/// A job about to be submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its kind; trials are submitted by their search alone.
    pub kind: JobKind,
    /// The model whose version the result becomes.
    pub model: ModelName,
    /// What to do, as JSON: checked by whoever submits it, read by the child.
    pub spec: String,
    /// Stored contents it reads; they are kept as long as it is queued or running.
    pub inputs: Vec<Digest>,
    /// What it asks for.
    pub demand: Demand,
    /// Who it belongs to.
    pub owner: Owner,
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its kind.
    pub kind: JobKind,
    /// The model whose version the result becomes.
    pub model: ModelName,
    /// What to do, as JSON.
    pub spec: String,
    /// Stored contents it reads.
    pub inputs: Vec<Digest>,
    /// What it asks for.
    pub demand: Demand,
    /// Who it belongs to.
    pub owner: Owner,
    /// Where it stands.
    pub state: JobState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was first started.
    pub started_at: Option<Timestamp>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// How often it was started. The first start is attempt 1.
    pub attempt: u32,
    /// What went wrong since its last checkpoint.
    pub setbacks: Setbacks,
    /// Whether somebody called it off while it was running.
    pub cancel_requested: bool,
    /// Who holds it, while it is running.
    pub lease: Option<Lease>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// What came of it when it succeeded.
    pub result: Option<JobResult>,
    /// The sequence number of its last event.
    pub sequence: u64,
}

/// Why a job failed, for its owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobFailure {
    /// What kind of failure.
    pub code: ErrorCode,
    /// What is wrong and what to do.
    pub message: String,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// The version of the job's model; a trial has none.
    pub version: Option<VersionNumber>,
    /// What the job tells of its result, as JSON: metrics, sizes, times.
    pub summary: String,
}

/// How a job ends where no version is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It succeeded; this is its summary, as JSON.
    Succeeded(String),
    /// It failed.
    Failed(JobFailure),
    /// It was called off.
    Cancelled,
}

/// Why a running job is queued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// Its child died.
    ChildDied,
    /// Its server went away without a word.
    ServerLost,
}

/// What went wrong since the last checkpoint of a job. A job that gets on is not given up, however often it is
/// interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setbacks {
    /// Children that died.
    pub deaths: u32,
    /// Servers that went away.
    pub losses: u32,
}

// === impl JobKind ===

impl JobKind {
    /// The kind as it stands in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Search => "search",
            Self::Trial { .. } => "trial",
        }
    }
}

// === impl Job ===

impl Job {
    /// The row of a job as it is submitted.
    pub fn queued(new: NewJob, id: JobId, at: Timestamp) -> Self {
        Self {
            id,
            kind: new.kind,
            model: new.model,
            spec: new.spec,
            inputs: new.inputs,
            demand: new.demand,
            owner: new.owner,
            state: JobState::Queued,
            created_at: at,
            started_at: None,
            ended_at: None,
            attempt: 0,
            setbacks: Setbacks::default(),
            cancel_requested: false,
            lease: None,
            progress: None,
            failure: None,
            result: None,
            sequence: 0,
        }
    }

    /// What it takes while it runs.
    pub fn taken(&self) -> Demand {
        match self.kind {
            JobKind::Search => Demand::default(),
            JobKind::Train | JobKind::Trial { .. } => self.demand,
        }
    }

    /// The search that a trial belongs to.
    pub const fn search(&self) -> Option<JobId> {
        match self.kind {
            JobKind::Trial { search, .. } => Some(search),
            JobKind::Train | JobKind::Search => None,
        }
    }

    /// By what its holder may change it; `None` while nobody holds it.
    pub fn claim(&self) -> Option<Claim> {
        let lease = self.lease.as_ref()?;
        Some(Claim { job: self.id, holder: lease.holder, attempt: self.attempt })
    }
}

// === impl Ending ===

impl Ending {
    /// The state that the job ends in.
    pub const fn state(&self) -> JobState {
        match self {
            Self::Succeeded(_) => JobState::Succeeded,
            Self::Failed(_) => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}

// === impl JobFailure ===

impl JobFailure {
    /// This with its message cut at [`MAX_TEXT_BYTES`]: children say as much as they like.
    pub(crate) fn bounded(mut self) -> Self {
        self.message.truncate(self.message.floor_char_boundary(MAX_TEXT_BYTES));
        self
    }
}

// === impl Setbacks ===

impl Setbacks {
    /// These and one more.
    pub const fn and(mut self, setback: Setback) -> Self {
        match setback {
            Setback::ChildDied => self.deaths = self.deaths.saturating_add(1),
            Setback::ServerLost => self.losses = self.losses.saturating_add(1),
        }
        self
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
