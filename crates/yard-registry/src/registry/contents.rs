//! Contents of which others keep the rows, such as the files of batches.

use tokio::sync::OwnedRwLockReadGuard;
use yard_types::Digest;

use super::Registry;
use crate::{ArtifactError, ByteStream, StagedArtifact};

/// As long as this lives no garbage is collected.
///
/// To be held from before content is published until the row that names it is written, and by one task once at a time: a
/// second one may wait for a collection that waits for the first.
#[derive(Debug)]
pub struct ContentHold {
    _no_collection: OwnedRwLockReadGuard<()>,
}

impl Registry {
    /// Takes in content of at most so many bytes. Whoever publishes it holds collection off: see [`ContentHold`].
    pub async fn stage_content(
        &self,
        content: ByteStream,
        limit: u64,
    ) -> Result<Box<dyn StagedArtifact>, ArtifactError> {
        self.artifacts.stage(content, limit, None).await
    }

    /// Holds garbage collection off.
    pub async fn hold_contents(&self) -> ContentHold {
        ContentHold { _no_collection: self.garbage_lock.clone().read_owned().await }
    }

    /// Reads content; its length comes first.
    pub async fn read_content(&self, digest: &Digest) -> Result<(u64, ByteStream), ArtifactError> {
        self.artifacts.read(digest).await
    }
}
