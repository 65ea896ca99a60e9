//! How loading and running fail.

use yard_types::{Coded, DataType, ErrorCode, PackagePath};

/// Why an engine did not load a model.
///
/// `Display` is fit for the person who pushed the model: it names the operator, the file or the limit and, where there
/// is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a model of a kind that the engine reads.
    #[error("'{file}' is not a valid model: {reason}")]
    Malformed {
        /// The file.
        file: PackagePath,
        /// What is wrong with it.
        reason: String,
    },
    /// The model refers to a file outside its package or to one that is not there.
    #[error("'{file}' refers to the file '{target}', which is {reason}")]
    ForeignFile {
        /// The model file.
        file: PackagePath,
        /// What it refers to, as written.
        target: String,
        /// Outside the package, missing, too short.
        reason: &'static str,
    },
    /// The engine lacks an operator.
    #[error("{engine} has no operator '{operator}' (node '{node}'); {instead}")]
    UnsupportedOperator {
        /// The engine.
        engine: &'static str,
        /// The operator with its domain where that is not the default one.
        operator: String,
        /// The node that uses it.
        node: String,
        /// The engine that could, or what to do.
        instead: &'static str,
    },
    /// The engine would change the values of an element type.
    #[error("{engine} cannot hold {data_type} exactly ({place}); {instead}")]
    UnsupportedType {
        /// The engine.
        engine: &'static str,
        /// The element type.
        data_type: DataType,
        /// The input, output or initializer.
        place: String,
        /// The engine that could, or what to do.
        instead: &'static str,
    },
    /// The model is valid, but uses something that Modelyard does not serve.
    #[error("'{file}' cannot be served: {reason}")]
    Unsupported {
        /// The model file.
        file: PackagePath,
        /// What is not served.
        reason: String,
    },
    /// The model asks for more memory than it may have.
    #[error("the model declares {declared} bytes of {what}, more than the {limit} bytes allowed")]
    TooLarge {
        /// Of what.
        what: String,
        /// How much it asks for.
        declared: u64,
        /// How much it may have.
        limit: u64,
    },
    /// The engine is not on this machine.
    #[error("{engine} is not installed: {reason}")]
    EngineMissing {
        /// The engine.
        engine: &'static str,
        /// What was tried and what to do.
        reason: String,
    },
    /// A file that came beside the model, and that it is served with, cannot be used.
    #[error("'{file}' cannot be used: {reason}")]
    Companion {
        /// Its path in the package.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine refused the model for a reason of its own.
    #[error("{engine} refused the model: {reason}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// The engine's own words.
        reason: String,
    },
    /// Reading the package failed.
    #[error("the model package could not be read")]
    Io(#[from] std::io::Error),
}

/// Why a run gave no result.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The inputs do not fit the model in a way that its signature does not show.
    #[error("the model refused the input: {0}")]
    BadInput(String),
    /// The run was stopped through its [`crate::RunControl`].
    #[error("the run was stopped before it ended")]
    Terminated,
    /// An output has a type or form that cannot be answered.
    #[error("output '{output}' cannot be answered: {reason}")]
    BadOutput {
        /// The output.
        output: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine failed.
    #[error("{engine} failed: {reason}")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// The engine's own words.
        reason: String,
    },
}

impl Coded for LoadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { .. }
            | Self::ForeignFile { .. }
            | Self::TooLarge { .. }
            | Self::Companion { .. }
            | Self::Refused { .. } => ErrorCode::InvalidArgument,
            Self::UnsupportedOperator { .. } | Self::UnsupportedType { .. } | Self::Unsupported { .. } => {
                ErrorCode::Unsupported
            }
            Self::EngineMissing { .. } => ErrorCode::Unavailable,
            Self::Io(_) => ErrorCode::Internal,
        }
    }
}

impl Coded for PredictError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::BadInput(_) => ErrorCode::InvalidArgument,
            Self::Terminated => ErrorCode::DeadlineExceeded,
            Self::BadOutput { .. } | Self::Engine { .. } => ErrorCode::Internal,
        }
    }
}
