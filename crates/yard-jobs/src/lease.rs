//! Who holds a job, and for how long.

use std::time::{SystemTime, UNIX_EPOCH};

use yard_types::Timestamp;

use crate::{HolderId, Job, JobId, JobState};

/// A running job belongs to its holder until the lease expires; heartbeats move its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds the job.
    pub holder: HolderId,
    /// Until when, unless renewed.
    pub expires_at: Timestamp,
}

/// By what a holder changes a job. A store refuses a claim that is not the job's present one, so that a holder that was
/// taken for dead cannot write into what another one has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Who holds it.
    pub holder: HolderId,
    /// In which attempt.
    pub attempt: u32,
}

/// Reads the wall clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Whether a job is running in its row alone, because whoever held it is gone. `exclusive` says that this process is the
/// only one with this store: then every other holder is an earlier run of it.
pub(crate) fn is_orphan(job: &Job, own: HolderId, exclusive: bool, now: Timestamp) -> bool {
    if job.state != JobState::Running {
        return false;
    }
    match &job.lease {
        Some(lease) if lease.holder == own => false,
        Some(lease) => exclusive || lease.expires_at <= now,
        None => true,
    }
}
