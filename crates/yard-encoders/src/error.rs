//! How reading texts fails.

use yard_types::{Coded, ErrorCode};

/// Why a text has no tokens, or an answer of the model no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    /// The text is too long for the model.
    #[error(
        "the text has {tokens} tokens, and the model reads at most {longest}: shorten it, or have it cut off with 'truncate'"
    )]
    TooLong {
        /// How many tokens it has, those that begin and end it included.
        tokens: usize,
        /// How many the model reads.
        longest: usize,
    },
    /// The text has more bytes than are turned into tokens at all.
    #[error("the text has {bytes} bytes, and of a text at most {most} are read: shorten it")]
    TooManyBytes {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        most: usize,
    },
    /// A query leaves no room for the text that stands beside it.
    #[error(
        "the query has {tokens} tokens, which leaves no room for a document among the {longest} that the model reads"
    )]
    NoRoom {
        /// How many tokens the query has.
        tokens: usize,
        /// How many the model reads.
        longest: usize,
    },
    /// The vocabulary has no such token.
    #[error("the model has no token of the number {token}")]
    UnknownToken {
        /// The number.
        token: u32,
    },
    /// Nothing is left of the text.
    #[error("the text has no tokens")]
    Empty,
    /// The tokenizer gave up.
    #[error("the text cannot be turned into tokens: {0}")]
    Unreadable(String),
    /// The model's answer has another form than its signature says, or holds what is no number.
    #[error("the model's answer cannot be read: {0}")]
    BadOutput(String),
}

impl Coded for EncoderError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::BadOutput(_) => ErrorCode::Internal,
            _ => ErrorCode::InvalidArgument,
        }
    }
}
