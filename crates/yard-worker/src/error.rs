//! How a worker fails its parent.

use std::time::Duration;

use yard_types::{Coded, ErrorCode};

use crate::ExitReport;

/// Why no answer came. After any of these but [`WorkerError::BadRequest`] and [`WorkerError::TooLarge`] the worker is gone;
/// a [`crate::SharedWorker`] also survives [`WorkerError::TimedOut`], [`WorkerError::TooManyCalls`] and
/// [`WorkerError::TooSlow`].
///
/// `Display` tells a client what happened and holds no path and nothing that the worker wrote; sources and the worker's
/// standard error are for the log.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not be started.
    #[error("the worker process could not be started")]
    Spawn(#[source] std::io::Error),
    /// The process could not put itself under its limits and did no work.
    #[error("the worker process could not put itself under its limits")]
    NotConfined {
        /// What failed, for the log.
        message: String,
    },
    /// The process ended.
    #[error("the worker process {0}")]
    Exited(ExitReport),
    /// Answering panicked.
    #[error("the worker process panicked")]
    Panicked {
        /// Where and why, for the log.
        message: String,
    },
    /// No answer came in time; the process was killed.
    #[error("the worker process gave no answer within {} s", limit.as_secs_f64())]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// It does not know this kind of request, or could not read it.
    #[error("the worker process did not understand the request")]
    BadRequest {
        /// What it did not understand, for the log.
        message: String,
    },
    /// The request or the answer is larger than a message may be.
    #[error("a {what} is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The request or the answer.
        what: &'static str,
        /// The most that is allowed.
        limit: u64,
    },
    /// It did not keep to the protocol; it was killed.
    #[error("the worker process did not keep to the protocol: {what}")]
    Protocol {
        /// What it did.
        what: &'static str,
        /// More of it, for the log.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// As many calls are under way as may be.
    #[error("the worker process has {most} calls under way already")]
    TooManyCalls {
        /// How many.
        most: usize,
    },
    /// What the worker said was not taken for so long that it was too much to keep; the call was given up.
    #[error("what the worker process said was not read in time")]
    TooSlow,
    /// It failed an earlier call, or that call was given up.
    #[error("the worker process is gone")]
    Gone,
}

impl Coded for WorkerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TimedOut { .. } => ErrorCode::DeadlineExceeded,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Spawn(_) | Self::Gone | Self::TooManyCalls { .. } => ErrorCode::Unavailable,
            Self::TooSlow => ErrorCode::Cancelled,
            Self::NotConfined { .. }
            | Self::Exited(_)
            | Self::Panicked { .. }
            | Self::BadRequest { .. }
            | Self::Protocol { .. } => ErrorCode::Internal,
        }
    }
}
