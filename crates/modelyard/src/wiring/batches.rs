//! The bytes of files of batches, among the contents of the registry.

use async_trait::async_trait;
use yard_batches::{ByteStream, ContentError, Contents, Hold, StagedContent};
use yard_registry::{ArtifactError, Registry, StagedArtifact};
use yard_types::Digest;

/// Contents of the registry, which its garbage collection knows.
#[derive(Debug, Clone)]
pub(crate) struct RegistryContents(pub(crate) Registry);

struct Staged(Box<dyn StagedArtifact>);

#[async_trait]
impl Contents for RegistryContents {
    async fn stage(&self, content: ByteStream, limit: u64) -> Result<Box<dyn StagedContent>, ContentError> {
        let staged = self.0.stage_content(content, limit).await.map_err(told)?;
        Ok(Box::new(Staged(staged)))
    }

    async fn hold(&self) -> Hold {
        Hold::new(self.0.hold_contents().await)
    }

    async fn read(&self, digest: &Digest) -> Result<(u64, ByteStream), ContentError> {
        self.0.read_content(digest).await.map_err(told)
    }

    async fn collect(&self) -> Result<u64, ContentError> {
        let report = self.0.gc().await.map_err(|error| ContentError::Backend(Box::new(error)))?;
        Ok(report.bytes)
    }
}

#[async_trait]
impl StagedContent for Staged {
    fn digest(&self) -> Digest {
        self.0.artifact().digest
    }

    fn bytes(&self) -> u64 {
        self.0.artifact().size
    }

    async fn publish(self: Box<Self>) -> Result<(), ContentError> {
        self.0.publish().await.map_err(told)
    }
}

fn told(error: ArtifactError) -> ContentError {
    match error {
        ArtifactError::TooLarge { limit } => ContentError::TooLarge { limit },
        ArtifactError::Interrupted(source) => ContentError::Interrupted(source),
        ArtifactError::Missing(digest) => ContentError::Missing(digest),
        error @ (ArtifactError::DigestMismatch { .. } | ArtifactError::Backend(_)) => {
            ContentError::Backend(Box::new(error))
        }
    }
}
