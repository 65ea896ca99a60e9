//! How a use case fails: as the layer below it did, or for a reason of its own.

use yard_access::AccessError;
use yard_jobs::{JobId, JobsError};
use yard_registry::RegistryError;
use yard_serving::ServingError;
use yard_spec::SpecError;
use yard_types::{Coded, ErrorCode, ModelName, VersionNumber};

/// Why a use case was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplicationError {
    /// The registry refused or failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Access control refused or failed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Serving refused or failed.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The scheduler of jobs refused or failed.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// A training specification is unsound.
    #[error("{0}")]
    Spec(#[source] SpecError),
    /// This server runs no jobs.
    #[error("this server runs no jobs: install modelyard-lab beside modelyard and start it again")]
    NoJobs,
    /// Jobs that have not ended read it.
    #[error(
        "data set '{name}:{version}' is still read by {}: wait for its end, or call it off (modelyard jobs cancel)",
        listed(jobs)
    )]
    DataSetInUse {
        /// The data set.
        name: ModelName,
        /// Its version.
        version: VersionNumber,
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// A member of the request cannot be used.
    #[error("{message}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl Coded for ApplicationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Registry(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Serving(error) => error.code(),
            Self::Jobs(error) => error.code(),
            Self::Spec(error) => error.code(),
            Self::DataSetInUse { .. } => ErrorCode::Conflict,
            Self::NoJobs => ErrorCode::Unsupported,
            Self::Member { .. } => ErrorCode::InvalidArgument,
        }
    }
}

/// A few of them: there may be many.
fn listed(jobs: &[JobId]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = jobs.iter().take(SHOWN).map(|job| format!("job {job}")).collect();
    let more = jobs.len().saturating_sub(SHOWN);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The error for a member that cannot be used.
pub(crate) fn member(member: &'static str, message: impl ToString) -> ApplicationError {
    ApplicationError::Member { member, message: message.to_string() }
}
