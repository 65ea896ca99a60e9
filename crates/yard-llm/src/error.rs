//! What can go wrong with a model.

use yard_gguf::{BlockError, GgufError, MetadataError};
use yard_kernels::{KernelError, RopeError};

use crate::{ConstraintError, SamplingError};

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] GgufError),
    /// What the file says of its model is missing or of the wrong type.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// No family of this name is known.
    #[error("models of the architecture '{name}' are not supported; supported are {supported}")]
    UnknownArchitecture {
        /// What the file says.
        name: String,
        /// Those there are.
        supported: String,
    },
    /// A number of the model that no model can have, or that contradicts another.
    #[error("the file contradicts itself or asks for what is not supported: {0}")]
    Configuration(String),
    /// A tensor has another shape than the model's numbers say.
    #[error("tensor '{tensor}' has the shape {actual:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        tensor: String,
        /// Neighbouring values first, as the file has it.
        actual: Vec<usize>,
        /// The same, as the model needs it.
        expected: Vec<usize>,
    },
    /// Weights cannot be dequantized.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The rotation of positions cannot be set up.
    #[error(transparent)]
    Rope(#[from] RopeError),
    /// A kernel refused its arguments or found no memory.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// An option is out of its range, or no token can be chosen.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A step that was not prepared.
    #[error("no room was reserved for {tokens} more tokens of a sequence of {length}")]
    NotReserved {
        /// How many tokens there are.
        tokens: usize,
        /// How long the sequence is.
        length: usize,
    },
    /// There is no memory for what a step computes.
    #[error("there is no memory for {values} values of a step")]
    OutOfMemory {
        /// How many were asked for at once.
        values: usize,
    },
    /// A token that is not in the vocabulary.
    #[error("token {token} is not in the vocabulary, which has {vocabulary} tokens")]
    UnknownToken {
        /// The token.
        token: u32,
        /// The vocabulary's size.
        vocabulary: usize,
    },
    /// More tokens than the model can look back on.
    #[error("{tokens} tokens are more than the model's context of {context}")]
    ContextFull {
        /// How many tokens the sequence would have.
        tokens: usize,
        /// The longest sequence.
        context: usize,
    },
    /// An answer's grammar cannot be kept to.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A step of several requests could not be run.
    #[error("the step could not be run: {0}")]
    StepFailed(String),
    /// The weights, or what they make of these tokens, are no numbers.
    #[error("the model computed something that is no number")]
    NoNumbers,
    /// The queue is full.
    #[error("{waiting} requests are waiting already")]
    TooManyWaiting {
        /// How many.
        waiting: usize,
    },
    /// All pages of keys and values are in use.
    #[error("the key-value cache is full: {needed} more pages are needed, {free} are free")]
    CacheFull {
        /// How many pages were asked for.
        needed: usize,
        /// How many there are.
        free: usize,
    },
}
