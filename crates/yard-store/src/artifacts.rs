//! Bytes by digest, over `object_store`.
//!
//! Content lies at `blobs/sha256/ab/<digest>`. It comes in at `tmp/<random>` and is renamed once it is whole, hashed and
//! durable. On the local file system packages are laid out as hard links; over any other store they are copied.

mod materialize;
mod stage;

use std::{collections::HashSet, io, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetResultPayload, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, path::Path as ObjectPath,
};
use tokio_util::io::ReaderStream;
use yard_registry::{ArtifactError, ArtifactStore, ByteStream, StagedArtifact, StoredArtifact};
use yard_types::{Digest, PackagePath};

use stage::ActiveNames;

/// Where content that is still coming in stands.
const TEMPORARY: &str = "tmp";
/// Where whole content stands.
const BLOBS: &str = "blobs/sha256";
/// What another process may still be writing to a shared store is this young.
const SHARED_TEMPORARY_LIFETIME: Duration = Duration::from_secs(48 * 3600);
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// The artifact store. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct ObjectArtifacts {
    store: Arc<dyn ObjectStore>,
    /// The same store, when it is the local file system.
    local: Option<Arc<LocalFileSystem>>,
    active: ActiveNames,
}

impl ObjectArtifacts {
    /// Keeps content in this local directory, which is made when it is missing. Every write is flushed to the disk before
    /// it counts. The directory must belong to this process alone: left-overs of interrupted writes are known by
    /// nobody in this process writing them.
    pub fn local(directory: &Path) -> Result<Self, ArtifactError> {
        let open = || -> Result<LocalFileSystem, Box<dyn std::error::Error + Send + Sync>> {
            fs_err::create_dir_all(directory.join(TEMPORARY))?;
            Ok(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true))
        };
        let local = Arc::new(open().map_err(ArtifactError::Backend)?);
        Ok(Self { store: Arc::clone(&local) as _, local: Some(local), active: ActiveNames::default() })
    }

    /// Keeps content in any object store, which other processes may share. Multipart uploads that a crash leaves
    /// behind are for the store's own life-cycle rules to remove.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, local: None, active: ActiveNames::default() }
    }

    /// What a local store finds in its temporary directory that nobody is writing. It looks at the files themselves:
    /// `object_store` does not list its own unfinished ones.
    async fn sweep_local(&self, local: &LocalFileSystem) -> Result<u64, ArtifactError> {
        let directory = local.path_to_filesystem(&ObjectPath::from(TEMPORARY)).map_err(failed)?;
        let active = self.active.clone();
        let sweep = move || -> io::Result<u64> {
            let mut swept = 0;
            for entry in fs_err::read_dir(directory)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let written_by_us = name.split('#').next().is_some_and(|name| active.contains(name));
                if written_by_us {
                    continue;
                }
                match fs_err::remove_file(entry.path()) {
                    Ok(()) => swept += 1,
                    // Finished or given up at this very moment.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(swept)
        };
        blocking(sweep).await
    }

    async fn sweep_shared(&self) -> Result<u64, ArtifactError> {
        let mut swept = 0;
        let now = std::time::SystemTime::now();
        let mut listed = self.store.list(Some(&ObjectPath::from(TEMPORARY)));
        while let Some(object) = listed.next().await {
            let object = object.map_err(failed)?;
            let age = now.duration_since(object.last_modified.into()).unwrap_or_default();
            let name = object.location.filename().unwrap_or_default();
            if self.active.contains(name) || age < SHARED_TEMPORARY_LIFETIME {
                continue;
            }
            self.delete_object(&object.location).await?;
            swept += 1;
        }
        Ok(swept)
    }

    async fn delete_object(&self, location: &ObjectPath) -> Result<(), ArtifactError> {
        match self.store.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

#[async_trait]
impl ArtifactStore for ObjectArtifacts {
    async fn stage(
        &self,
        content: ByteStream,
        limit: u64,
        expected: Option<Digest>,
    ) -> Result<Box<dyn StagedArtifact>, ArtifactError> {
        Ok(Box::new(stage::stage(self, content, limit, expected).await?))
    }

    async fn contains(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        match self.store.head(&blob(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn read(&self, digest: &Digest) -> Result<(u64, ByteStream), ArtifactError> {
        let found = self.store.get(&blob(digest)).await.map_err(|error| missing(error, digest))?;
        let size = found.meta.size;
        let content: ByteStream = match found.payload {
            // Larger pieces than `object_store` would read: each costs a hop to a thread.
            GetResultPayload::File(file, _) => {
                Box::pin(ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES))
            }
            GetResultPayload::Stream(content) => Box::pin(content.map_err(io::Error::other)),
        };
        Ok((size, content))
    }

    async fn materialize(
        &self,
        files: &[(PackagePath, Digest)],
        directory: &Path,
    ) -> Result<(), ArtifactError> {
        materialize::materialize(self, files, directory).await
    }

    async fn list(&self) -> Result<Vec<StoredArtifact>, ArtifactError> {
        let mut found = Vec::new();
        let mut listed = self.store.list(Some(&ObjectPath::from(BLOBS)));
        while let Some(object) = listed.next().await {
            let object = object.map_err(failed)?;
            match object.location.filename().unwrap_or_default().parse() {
                Ok(digest) => found.push(StoredArtifact { digest, size: object.size }),
                // Not ours to delete, whatever it is.
                Err(_) => tracing::warn!(location = %object.location, "a file among the artifacts is none"),
            }
        }
        Ok(found)
    }

    async fn delete(&self, digest: &Digest) -> Result<(), ArtifactError> {
        self.delete_object(&blob(digest)).await
    }

    async fn sweep_temporary(&self) -> Result<u64, ArtifactError> {
        match &self.local {
            Some(local) => self.sweep_local(local).await,
            None => self.sweep_shared().await,
        }
    }
}

/// Where content of this digest stands.
fn blob(digest: &Digest) -> ObjectPath {
    let digest = digest.to_string();
    ObjectPath::from(format!("{BLOBS}/{}/{digest}", &digest[..2]))
}

fn failed(error: object_store::Error) -> ArtifactError {
    ArtifactError::Backend(Box::new(error))
}

fn missing(error: object_store::Error, digest: &Digest) -> ArtifactError {
    match error {
        object_store::Error::NotFound { .. } => ArtifactError::Missing(*digest),
        other => failed(other),
    }
}

/// Runs file work on a thread where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ArtifactError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    done.flatten().map_err(|error| ArtifactError::Backend(Box::new(error)))
}

/// The names under which this process is writing.
type Names = HashSet<String>;
