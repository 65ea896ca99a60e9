//! What batches ask of the place where bytes are kept.

use std::{fmt, io, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use yard_types::Digest;

/// Bytes on their way, in pieces. The error is the sender's.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, io::Error>> + Send>>;

/// How keeping or reading bytes fails.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// More bytes came than allowed.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender broke off.
    #[error("the upload broke off")]
    Interrupted(#[source] io::Error),
    /// There are no such bytes.
    #[error("the bytes of a file are not there")]
    Missing(Digest),
    /// Keeping or reading failed.
    #[error("the bytes of a file could not be kept or read")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// As long as this lives, nothing is deleted that no row names yet.
pub struct Hold {
    _held: Box<dyn Send + Sync>,
}

impl Hold {
    /// Holds for as long as `held` lives.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}

/// Bytes that have come in whole and are on the disk, but cannot be read by their digest yet. Dropping them discards them.
#[async_trait]
pub trait StagedContent: Send {
    /// Their digest.
    fn digest(&self) -> Digest;
    /// How many they are.
    fn bytes(&self) -> u64;
    /// Makes them readable by their digest. After that they survive a crash.
    async fn publish(self: Box<Self>) -> Result<(), ContentError>;
}

/// Bytes by their digest.
///
/// What no row names is deleted some day. Whoever publishes takes a [`Hold`] first and drops it when the row is written;
/// one at a time, since a second could wait for a collection that waits for the first.
#[async_trait]
pub trait Contents: Send + Sync {
    /// Takes in at most so many bytes.
    async fn stage(&self, content: ByteStream, limit: u64) -> Result<Box<dyn StagedContent>, ContentError>;
    /// Keeps contents from being deleted for a while.
    async fn hold(&self) -> Hold;
    /// Reads bytes; how many they are comes first.
    async fn read(&self, digest: &Digest) -> Result<(u64, ByteStream), ContentError>;
    /// Deletes what no row names; gives how many bytes that were. Nobody who calls this has a [`Hold`].
    async fn collect(&self) -> Result<u64, ContentError>;
}
