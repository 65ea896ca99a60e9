//! Content on its way in: written under a temporary name, hashed, made durable, then renamed.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload, path::Path as ObjectPath};
use sha2::{Digest as _, Sha256};
use yard_registry::{ArtifactError, ByteStream, StagedArtifact, StoredArtifact};
use yard_types::Digest;

use super::{Names, ObjectArtifacts, TEMPORARY, blob, failed};

/// Bytes that are gathered before they are written: at least the 5 MiB that S3 asks of all parts but the last.
const PART_BYTES: usize = 8 << 20;

/// The temporary names under which this process is writing, so that sweeping leaves them alone.
#[derive(Debug, Clone, Default)]
pub(super) struct ActiveNames(Arc<Mutex<Names>>);

/// One temporary name, active as long as this lives.
#[derive(Debug)]
struct ActiveName {
    names: ActiveNames,
    name: String,
}

/// Content that is whole and durable under a temporary name.
pub(super) struct Staged {
    artifacts: ObjectArtifacts,
    artifact: StoredArtifact,
    name: ActiveName,
    published: bool,
}

impl ActiveNames {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.lock().contains(name)
    }

    fn take(&self) -> Result<ActiveName, ArtifactError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| ArtifactError::Backend(Box::new(error)))?;
        let name = format!("{:032x}", u128::from_ne_bytes(bytes));
        self.lock().insert(name.clone());
        Ok(ActiveName { names: self.clone(), name })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveName {
    fn location(&self) -> ObjectPath {
        ObjectPath::from(format!("{TEMPORARY}/{}", self.name))
    }
}

impl Drop for ActiveName {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}

pub(super) async fn stage(
    artifacts: &ObjectArtifacts,
    mut content: ByteStream,
    limit: u64,
    expected: Option<Digest>,
) -> Result<Staged, ArtifactError> {
    let name = artifacts.active.take()?;
    let location = name.location();
    let mut incoming = Incoming { hash: Sha256::new(), size: 0, limit };
    let mut gathered = Gathered::default();
    let mut upload: Option<Box<dyn MultipartUpload>> = None;

    let written = async {
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(ArtifactError::Interrupted)?;
            incoming.count(&piece)?;
            gathered.push(piece);
            if gathered.bytes < PART_BYTES {
                continue;
            }
            let upload = match &mut upload {
                Some(upload) => upload,
                none => none.insert(artifacts.store.put_multipart(&location).await.map_err(failed)?),
            };
            let part = gathered.take();
            let written = upload.put_part(part.clone());
            let (hashed, written) = tokio::join!(incoming.hash(part), written);
            hashed?;
            written.map_err(failed)?;
        }
        let last = gathered.take();
        incoming.hash(last.clone()).await?;
        let artifact = incoming.finish(expected)?;
        match &mut upload {
            // Small content takes one request.
            None => drop(artifacts.store.put(&location, last).await.map_err(failed)?),
            Some(upload) => {
                if last.content_length() > 0 {
                    upload.put_part(last).await.map_err(failed)?;
                }
                upload.complete().await.map_err(failed)?;
            }
        }
        Ok(artifact)
    };
    match written.await {
        Ok(artifact) => Ok(Staged { artifacts: artifacts.clone(), artifact, name, published: false }),
        Err(error) => {
            if let Some(mut upload) = upload
                && let Err(abort) = upload.abort().await
            {
                // What is left is swept later; the first error is the one that matters.
                tracing::debug!(error = %abort, "an interrupted upload could not be aborted");
            }
            Err(error)
        }
    }
}

#[async_trait]
impl StagedArtifact for Staged {
    fn artifact(&self) -> StoredArtifact {
        self.artifact
    }

    async fn publish(mut self: Box<Self>) -> Result<(), ArtifactError> {
        let location = self.name.location();
        if let Some(local) = &self.artifacts.local {
            let path = local.path_to_filesystem(&location).map_err(failed)?;
            // Engines get hard links: writing through one would change what the digest names.
            super::blocking(move || read_only(&path)).await?;
        }
        // Over content that is there already as well: only a rename of our own is known to be on the disk when it
        // returns, while the one that is there may have been renamed by somebody who is not that far yet.
        let published = self.artifacts.store.rename(&location, &blob(&self.artifact.digest)).await;
        published.map_err(failed)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // Without a runtime the process is ending, and the next start sweeps.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (artifacts, location) = (self.artifacts.clone(), self.name.location());
        runtime.spawn(async move {
            if let Err(error) = artifacts.delete_object(&location).await {
                tracing::warn!(%error, "content that was given up could not be deleted; a sweep will do it");
            }
        });
    }
}

/// What is known of content that is coming in.
struct Incoming {
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl Incoming {
    fn count(&mut self, piece: &Bytes) -> Result<(), ArtifactError> {
        self.size = self.size.saturating_add(piece.len() as u64);
        if self.size > self.limit {
            return Err(ArtifactError::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// Hashes a part on a thread where it may take its time.
    async fn hash(&mut self, part: PutPayload) -> Result<(), ArtifactError> {
        let mut hash = mem::take(&mut self.hash);
        self.hash = super::blocking(move || {
            part.iter().for_each(|piece| hash.update(piece));
            Ok(hash)
        })
        .await?;
        Ok(())
    }

    fn finish(&mut self, expected: Option<Digest>) -> Result<StoredArtifact, ArtifactError> {
        let digest = Digest::from_bytes(mem::take(&mut self.hash).finalize().into());
        match expected {
            Some(expected) if expected != digest => {
                Err(ArtifactError::DigestMismatch { expected, got: digest })
            }
            _ => Ok(StoredArtifact { digest, size: self.size }),
        }
    }
}

/// Pieces that are written together.
#[derive(Default)]
struct Gathered {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Gathered {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn take(&mut self) -> PutPayload {
        self.bytes = 0;
        mem::take(&mut self.pieces).into_iter().collect()
    }
}

#[cfg(unix)]
fn read_only(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o400))
}

#[cfg(not(unix))]
fn read_only(_path: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}
