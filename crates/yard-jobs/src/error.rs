//! How the handle of the scheduler fails.

use yard_types::{Coded, ErrorCode};

use crate::{JobFailure, JobId, JobState, JobStoreError};

/// Why a job was not submitted, cancelled or found.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// No such job.
    #[error("job '{0}' is not found")]
    Unknown(JobId),
    /// The job has come to its end.
    #[error("job '{id}' has {state} already")]
    Ended {
        /// The job.
        id: JobId,
        /// Its state.
        state: JobState,
    },
    /// Something about the submitted job is wrong.
    #[error("{0}")]
    Invalid(String),
    /// It asks for more than there is.
    #[error(transparent)]
    NeverFits(JobFailure),
    /// There are too many unfinished jobs.
    #[error("there are {limit} unfinished jobs, which is the limit: try again later, or cancel one")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
    /// The scheduler has stopped, or is stopping.
    #[error("the server is stopping: try again when it is back")]
    Stopping,
    /// No randomness for an id.
    #[error("no id could be made for the job")]
    Random(#[source] getrandom::Error),
    /// Storing or reading rows failed.
    #[error(transparent)]
    Store(#[from] JobStoreError),
}

impl Coded for JobsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(_) | Self::Store(JobStoreError::Missing(_)) => ErrorCode::NotFound,
            Self::Ended { .. } | Self::Store(JobStoreError::Conflict(_)) => ErrorCode::Conflict,
            Self::Invalid(_) => ErrorCode::InvalidArgument,
            Self::NeverFits(failure) => failure.code,
            Self::QueueFull { .. } | Self::Stopping | Self::Store(JobStoreError::Full(_)) => {
                ErrorCode::Unavailable
            }
            Self::Random(_) | Self::Store(JobStoreError::Backend(_)) => ErrorCode::Internal,
        }
    }
}
