//! What the registry asks of whoever proves models.

use std::path::PathBuf;

use async_trait::async_trait;
use yard_types::{ErrorCode, ModelName, PackagePath};

use crate::ProofRecord;

/// A package to prove.
#[derive(Debug, Clone)]
pub struct ProofTask {
    /// The model it is for.
    pub model: ModelName,
    /// A directory with its files, for the prover alone.
    pub directory: PathBuf,
    /// Which file is the model.
    pub main: PackagePath,
    /// The file with golden samples, if the package has one.
    pub golden: Option<PackagePath>,
}

/// Why a package was refused. `message` is for the one who pushed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProofFailure {
    /// What kind of failure.
    pub code: ErrorCode,
    /// What is wrong and what to do.
    pub message: String,
}

/// What came of a proof.
pub type ProofOutcome = Result<ProofRecord, ProofFailure>;

/// Loads and runs a model where it can do no harm.
#[async_trait]
pub trait Prover: Send + Sync {
    /// Proves a package. Always comes back: a prover that dies or hangs is a failure of the package.
    async fn prove(&self, task: ProofTask) -> ProofOutcome;
}
