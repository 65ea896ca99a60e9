//! How serving fails.

use std::{io, num::NonZeroUsize, time::Duration};

use yard_engine::PredictError;
use yard_types::{Coded, ErrorCode, ModelName, Selector, SignatureMismatch, VersionRef};

use crate::{QueueClass, SourceError};

/// What a caller is told to wait for whose model found no memory: about as long as a busy model's answer takes.
const MEMORY_RETRY: Duration = Duration::from_secs(5);

/// Why a request was not answered or an operation on a version did not take place.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// There is no such model.
    #[error("there is no model '{model}'")]
    UnknownModel {
        /// The name, as the request gave it, shortened and escaped.
        model: String,
    },
    /// The model has no such version or alias.
    #[error("model '{model}' has no version '{selector}'")]
    UnknownVersion {
        /// The model.
        model: ModelName,
        /// What the request asked for.
        selector: Selector,
    },
    /// The version is archived and is not served.
    #[error("{version} is archived")]
    Archived {
        /// The version.
        version: VersionRef,
    },
    /// It is not in memory. Whoever called [`crate::Serving::find`] may go on with [`crate::Serving::open`].
    #[error("model '{model}' is not loaded{}", shown_selector(selector))]
    NotLoaded {
        /// The model, shortened and escaped.
        model: String,
        /// What the request asked for.
        selector: Selector,
    },
    /// It could not be loaded.
    #[error("{version} could not be loaded: {reason}")]
    LoadFailed {
        /// The version.
        version: VersionRef,
        /// Why, fit for the person who pushed it.
        reason: String,
    },
    /// As many versions are loaded as are allowed, and none of them can go.
    #[error(
        "{version} cannot be loaded: {limit} versions are loaded already, and all are in use or have to stay"
    )]
    TooManyLoaded {
        /// The version.
        version: VersionRef,
        /// How many may be loaded.
        limit: NonZeroUsize,
    },
    /// It does not fit into the memory for models.
    #[error("{version} cannot be loaded: {}", shown_shortage(*shortage, *needs, *charged, *budget))]
    NoMemory {
        /// The version.
        version: VersionRef,
        /// What it takes.
        needs: u64,
        /// What all versions may take together.
        budget: u64,
        /// What they take now.
        charged: u64,
        /// Why nobody goes for it.
        shortage: Shortage,
    },
    /// The queue of the version is full.
    #[error("too many {class} requests to {version} wait already; try again later")]
    QueueFull {
        /// The version.
        version: VersionRef,
        /// Which of its queues.
        class: QueueClass,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The server has as many requests in hand as it may.
    #[error("the server is handling {limit} requests already; try again later")]
    Overloaded {
        /// How many it may have.
        limit: NonZeroUsize,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The time allowed for the request passed.
    #[error("the request to {version} was not answered in time")]
    DeadlineExceeded {
        /// The version.
        version: VersionRef,
    },
    /// The server is stopping and takes nothing new.
    #[error("the server is stopping")]
    Stopping,
    /// The work was given up before it ended, which happens when the runtime ends around it.
    #[error("the request to {version} was given up; try again")]
    Interrupted {
        /// The version.
        version: VersionRef,
    },
    /// The inputs do not fit the signature.
    #[error(transparent)]
    Mismatch(#[from] SignatureMismatch),
    /// Not as many inputs as the signature has.
    #[error("expected {expected} inputs but got {got} inputs for model '{model}'")]
    InputCount {
        /// The model.
        model: ModelName,
        /// How many it takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// The engine refused the input or failed.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The engine panicked during the run.
    #[error("the engine broke down while it ran {version}")]
    Panicked {
        /// The version.
        version: VersionRef,
    },
    /// The source of models failed.
    #[error("the model registry did not answer")]
    Source(#[source] SourceError),
}

/// Why there is no memory for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// It would not fit if it were alone.
    TooLarge,
    /// It belongs to versions that stay: loaded on request, or without [`crate::ServingSettings::lazy_load`].
    Kept,
    /// It belongs to versions that have work or are being loaded, or was not given back in time.
    Busy,
}

/// Why serving did not start.
#[derive(Debug, thiserror::Error)]
#[error("the thread '{thread}' could not be started")]
pub struct StartError {
    /// The name of the thread.
    pub thread: String,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// The beginning of a text that a client sent, with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(128).flat_map(char::escape_default).collect()
}

/// What is in the way, and what to do.
fn shown_shortage(shortage: Shortage, needs: u64, charged: u64, budget: u64) -> String {
    let obstacle = match shortage {
        Shortage::TooLarge => {
            format!("more than the {budget} bytes for all models; raise serving.memory_bytes")
        }
        Shortage::Kept => format!(
            "and {charged} of the {budget} bytes for all models are taken by versions that have to stay; unload one, load \
             fewer to stay, or raise serving.memory_bytes"
        ),
        Shortage::Busy => format!(
            "and {charged} of the {budget} bytes for all models are taken by versions that are in use; try again later, \
             unload one, or raise serving.memory_bytes"
        ),
    };
    format!("it takes {needs} bytes of memory, {obstacle}")
}

fn shown_selector(selector: &Selector) -> String {
    match selector {
        Selector::Production => String::new(),
        Selector::Version(version) => format!(" in version {version}"),
        Selector::Alias(alias) => format!(" as '{alias}'"),
    }
}

impl ServingError {
    /// When it is worth trying again, where waiting helps.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. } | Self::Overloaded { retry_after, .. } => Some(*retry_after),
            Self::NoMemory { shortage: Shortage::Busy, .. } => Some(MEMORY_RETRY),
            _ => None,
        }
    }

    /// Whether there was no room at that moment: there may be some when it is next asked for.
    pub(crate) const fn is_want_of_room(&self) -> bool {
        matches!(self, Self::TooManyLoaded { .. } | Self::NoMemory { shortage: Shortage::Busy, .. })
    }

    /// Why there is no memory, where waiting does not help.
    pub(crate) fn lasting_want_of_memory(&self) -> Option<String> {
        match self {
            Self::NoMemory { needs, budget, charged, shortage, .. } if *shortage != Shortage::Busy => {
                Some(shown_shortage(*shortage, *needs, *charged, *budget))
            }
            _ => None,
        }
    }

    /// Turns what the source said about a version into what the caller hears.
    pub(crate) fn from_source(error: SourceError) -> Self {
        match error {
            SourceError::NotFound(version) => {
                Self::UnknownVersion { model: version.model, selector: Selector::Version(version.version) }
            }
            SourceError::Archived(version) => Self::Archived { version },
            backend @ SourceError::Backend(_) => Self::Source(backend),
        }
    }
}

impl Coded for ServingError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownModel { .. } | Self::UnknownVersion { .. } => ErrorCode::NotFound,
            Self::Archived { .. } => ErrorCode::Conflict,
            Self::NotLoaded { .. }
            | Self::LoadFailed { .. }
            | Self::TooManyLoaded { .. }
            | Self::NoMemory { .. }
            | Self::QueueFull { .. }
            | Self::Overloaded { .. }
            | Self::Stopping
            | Self::Interrupted { .. } => ErrorCode::Unavailable,
            Self::DeadlineExceeded { .. } => ErrorCode::DeadlineExceeded,
            Self::Mismatch(error) => error.code(),
            Self::InputCount { .. } => ErrorCode::InvalidArgument,
            Self::Predict(error) => error.code(),
            Self::Panicked { .. } => ErrorCode::Internal,
            Self::Source(error) => error.code(),
        }
    }
}
