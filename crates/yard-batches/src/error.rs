//! How batches refuse and fail.

use yard_types::{Coded, ErrorCode};

use crate::{BatchId, BatchStatus, BatchStoreError, ContentError, EndpointError, FileId, WindowError};

/// Why something was not done. The messages are for the caller.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// There is no such file, or it is another's.
    #[error("there is no file '{0}'")]
    UnknownFile(FileId),
    /// There is no such batch, or it is another's.
    #[error("there is no batch '{0}'")]
    UnknownBatch(BatchId),
    /// The owner has as many files as it may have.
    #[error("there are {0} files of this key, the most there may be: delete some")]
    TooManyFiles(u64),
    /// The files of the owner have, or would have, more bytes than they may.
    #[error(
        "the files of this key, those that batches write among them, may have {0} bytes together: delete some"
    )]
    NoRoom(u64),
    /// The owner has as many open batches as it may have.
    #[error(
        "{0} batches of this key have not ended, the most there may be: wait for one to end, or cancel one"
    )]
    TooManyBatches(u64),
    /// The batch has ended.
    #[error("batch '{id}' is {status}, and can no longer be cancelled")]
    HasEnded {
        /// The batch.
        id: BatchId,
        /// How it ended.
        status: BatchStatus,
    },
    /// The file is the output of a batch.
    #[error("file '{0}' was not uploaded with the purpose 'batch'")]
    NoInput(FileId),
    /// The endpoint is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The window is none.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A member of the request cannot be used.
    #[error("{message}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Bytes could not be kept or read.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Rows could not be kept or read.
    #[error(transparent)]
    Store(#[from] BatchStoreError),
    /// The system gave no random bits.
    #[error("no random bits could be had for an id")]
    Random(#[source] getrandom::Error),
}

impl BatchError {
    /// The member of the request that is wrong.
    pub fn member(&self) -> Option<&'static str> {
        match self {
            Self::Endpoint(_) => Some("endpoint"),
            Self::Window(_) => Some("completion_window"),
            Self::NoInput(_) => Some("input_file_id"),
            Self::Content(ContentError::TooLarge { .. }) => Some("file"),
            Self::Member { member, .. } => Some(*member),
            _ => None,
        }
    }
}

impl Coded for BatchError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownFile(_) | Self::UnknownBatch(_) => ErrorCode::NotFound,
            // Not a matter of waiting: clients that try again by themselves would send the whole file again.
            Self::TooManyFiles(_) | Self::NoRoom(_) | Self::TooManyBatches(_) | Self::HasEnded { .. } => {
                ErrorCode::Conflict
            }
            Self::NoInput(_) | Self::Endpoint(_) | Self::Window(_) | Self::Member { .. } => {
                ErrorCode::InvalidArgument
            }
            Self::Content(error) => match error {
                ContentError::TooLarge { .. } => ErrorCode::PayloadTooLarge,
                ContentError::Interrupted(_) => ErrorCode::InvalidArgument,
                ContentError::Missing(_) | ContentError::Backend(_) => ErrorCode::Internal,
            },
            Self::Store(error) => match error {
                BatchStoreError::Conflict(_) | BatchStoreError::TooMany(_) | BatchStoreError::NoRoom(_) => {
                    ErrorCode::Conflict
                }
                BatchStoreError::Missing(_) => ErrorCode::NotFound,
                BatchStoreError::Full(_) => ErrorCode::Unavailable,
                BatchStoreError::Backend(_) => ErrorCode::Internal,
            },
            Self::Random(_) => ErrorCode::Internal,
        }
    }
}
