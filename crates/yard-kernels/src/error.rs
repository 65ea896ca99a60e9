//! What callers of kernels can get wrong.

use yard_gguf::{BlockError, BlockType};

/// Sizes that do not fit together, or memory that cannot be had. Nothing was computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// A slice of another length than the sizes beside it say.
    #[error("{what} holds {actual} values instead of {expected}")]
    WrongLength {
        /// Which slice.
        what: &'static str,
        /// What the sizes say.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// A size that the kernel is not made for.
    #[error("{what} is {actual}, but must be {rule}")]
    UnsupportedSize {
        /// Which size.
        what: &'static str,
        /// What it was.
        actual: usize,
        /// What it may be.
        rule: &'static str,
    },
    /// Activations that were not prepared for this type of weights.
    #[error("the activations were not prepared for {0} weights")]
    NotPrepared(BlockType),
    /// A page that the store does not have.
    #[error("page {page} is asked for, but there are {pages}")]
    NoSuchPage {
        /// The page's number.
        page: usize,
        /// How many pages there are.
        pages: usize,
    },
    /// Bytes that are not whole blocks of weights.
    #[error("weights do not fit their type")]
    Blocks(#[from] BlockError),
    /// The system has no memory left.
    #[error("no memory for {what}")]
    OutOfMemory {
        /// What it was for.
        what: &'static str,
    },
}

/// Fails unless `actual` is `expected`.
pub(crate) fn check_length(
    what: &'static str,
    expected: Option<usize>,
    actual: usize,
) -> Result<(), KernelError> {
    // Sizes whose product cannot be counted fit no slice.
    let expected = expected.unwrap_or(usize::MAX);
    if actual == expected { Ok(()) } else { Err(KernelError::WrongLength { what, expected, actual }) }
}
