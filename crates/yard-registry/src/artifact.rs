//! What the registry asks of the place where bytes are kept.

use std::{path::Path, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use yard_types::{Digest, PackagePath};

/// Bytes on their way, in pieces. The error is the sender's (it left, it sent too much).
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// One stored content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// How the artifact store fails.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// More bytes came than allowed.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The bytes are not those that the sender announced.
    #[error("the file has SHA-256 {got}, not {expected} as announced")]
    DigestMismatch {
        /// Announced.
        expected: Digest,
        /// Received.
        got: Digest,
    },
    /// The sender broke off.
    #[error("the upload broke off")]
    Interrupted(#[source] std::io::Error),
    /// There is no such content.
    #[error("content {0} is not in the store")]
    Missing(Digest),
    /// The store itself failed.
    #[error("the artifact store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Content that has come in whole and is durable, but cannot be seen by its digest yet. Dropping it discards it.
///
/// Staging and publishing are apart so that the registry can publish content and write the row that names it without
/// garbage collection coming between, yet let garbage be collected while a slow sender is still sending.
#[async_trait]
pub trait StagedArtifact: Send {
    /// Its digest and length.
    fn artifact(&self) -> StoredArtifact;
    /// Makes it visible by its digest. After this returns it survives a crash.
    async fn publish(self: Box<Self>) -> Result<(), ArtifactError>;
}

/// Content-addressed bytes: written to a temporary place, hashed, made durable, and only then visible by digest.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// Takes in a stream of at most `limit` bytes; when `expected` is given, the content must have that digest.
    async fn stage(
        &self,
        content: ByteStream,
        limit: u64,
        expected: Option<Digest>,
    ) -> Result<Box<dyn StagedArtifact>, ArtifactError>;
    /// Stages and publishes at once, for callers that need not fear garbage collection.
    async fn put(
        &self,
        content: ByteStream,
        limit: u64,
        expected: Option<Digest>,
    ) -> Result<StoredArtifact, ArtifactError> {
        let staged = self.stage(content, limit, expected).await?;
        let artifact = staged.artifact();
        staged.publish().await?;
        Ok(artifact)
    }
    /// Whether the content is there.
    async fn contains(&self, digest: &Digest) -> Result<bool, ArtifactError>;
    /// Reads content as a stream; its length comes first.
    async fn read(&self, digest: &Digest) -> Result<(u64, ByteStream), ArtifactError>;
    /// Fills an empty or missing local directory with these files: hard links where the store is on the same file
    /// system, else copies. Never symbolic links. The directory appears whole or not at all.
    async fn materialize(
        &self,
        files: &[(PackagePath, Digest)],
        directory: &Path,
    ) -> Result<(), ArtifactError>;
    /// Every content that is there, with its size.
    async fn list(&self) -> Result<Vec<StoredArtifact>, ArtifactError>;
    /// Deletes content; deleting what is not there is no error.
    async fn delete(&self, digest: &Digest) -> Result<(), ArtifactError>;
    /// Deletes what interrupted writes left behind, and nothing that this process is still writing; gives how many
    /// files.
    async fn sweep_temporary(&self) -> Result<u64, ArtifactError>;
}
