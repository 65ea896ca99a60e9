//! What the scheduler asks of the place where results go.

use async_trait::async_trait;

use crate::{Claim, Job, JobFailure, Product};

/// The end of a job in the very transaction that makes its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// By what the job may be changed; the whole transaction is refused when it is not the job's present claim, or when
    /// the job was called off.
    pub claim: Claim,
    /// What the job tells of its result, as JSON.
    pub summary: String,
}

/// Why a result was not registered. The job is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The result is no good: the job fails.
    #[error("the result was refused: {0}")]
    Refused(#[source] JobFailure),
    /// The job was called off, or belongs to somebody else by now.
    #[error("the job is not held by this claim any more")]
    ClaimLost,
    /// Not now: worth trying again. Perhaps it was registered after all, which the job's row says.
    #[error("the result could not be registered")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Registers what jobs made.
#[async_trait]
pub trait Results: Send + Sync {
    /// Makes a version of the product and marks the job succeeded, in one transaction: after a crash there are both or
    /// neither. Dropping the future may leave it to go on: what comes too late is refused by the claim.
    async fn register(&self, claim: Claim, job: &Job, product: &Product) -> Result<(), RegisterError>;
}
