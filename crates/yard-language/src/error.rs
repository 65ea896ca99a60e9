//! Why a model gave no answer.

use yard_types::{Coded, ErrorCode};
use yard_worker::{WorkerError, language::Refusal};

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// The model's process refused the request, in these words.
    #[error("{message}")]
    Refused {
        /// What kind of refusal.
        code: ErrorCode,
        /// For the one who asked.
        message: String,
    },
    /// The tenant has as many answers under way as one may have.
    #[error(
        "{most} answers are under way for this key already, as many as one may have: wait for some of them"
    )]
    ShareTaken {
        /// How many.
        most: usize,
    },
    /// The process died and is being started again.
    #[error("the model's process ended and is being started again")]
    Restarting,
    /// The process died, or did not answer, while it had the request.
    #[error("the model's process failed: {0}")]
    Worker(#[source] WorkerError),
    /// It answered what makes no sense.
    #[error("the model's process answered what makes no sense")]
    Nonsense,
}

impl Coded for LanguageError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { code, .. } => *code,
            Self::ShareTaken { .. } => ErrorCode::RateLimited,
            // To the one who asked it is the same how the process ended: another try may succeed.
            Self::Restarting
            | Self::Worker(
                WorkerError::Exited(_) | WorkerError::Panicked { .. } | WorkerError::Protocol { .. },
            ) => ErrorCode::Unavailable,
            Self::Worker(error) => error.code(),
            Self::Nonsense => ErrorCode::Internal,
        }
    }
}

impl From<WorkerError> for LanguageError {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

impl From<Refusal> for LanguageError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { code: refusal.error_code(), message: refusal.message }
    }
}
