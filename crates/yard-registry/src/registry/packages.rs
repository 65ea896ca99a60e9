//! Packages laid out in directories, for provers and engines.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use yard_types::{Digest, PackagePath};

use crate::{ArtifactStore, FileRecord, RegistryError};

/// The directory of a package, there as long as any clone of the lease is.
#[derive(Debug, Clone)]
pub struct PackageLease {
    directory: Arc<PackageDirectory>,
}

/// Makes and shares package directories.
#[derive(Clone)]
pub(super) struct Packages {
    root: PathBuf,
    artifacts: Arc<dyn ArtifactStore>,
    /// Directories are numbered, so that a new one never meets the removal of an old one.
    next_number: Arc<AtomicU64>,
    shared: Arc<Mutex<HashMap<Digest, SharedDirectory>>>,
}

/// The async lock is held while the directory is filled, so that the second engine waits instead of filling another.
type SharedDirectory = Arc<tokio::sync::Mutex<Weak<PackageDirectory>>>;

/// A directory that is removed when it is dropped.
#[derive(Debug)]
struct PackageDirectory {
    path: PathBuf,
}

impl PackageLease {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory.path
    }
}

impl Drop for PackageDirectory {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            if let Err(error) = fs_err::remove_dir_all(&path) {
                tracing::warn!(%error, "a package directory could not be removed; the next start will try again");
            }
        };
        // Removing copies of large files takes a while, which must not hold up the runtime.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Packages {
    pub(super) fn new(root: PathBuf, artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self { root, artifacts, next_number: Arc::default(), shared: Arc::default() }
    }

    /// A directory of its own.
    pub(super) async fn fresh(&self, files: &[FileRecord]) -> Result<PackageLease, RegistryError> {
        Ok(PackageLease { directory: Arc::new(self.lay_out(files).await?) })
    }

    /// A directory that all leases of the same package share.
    pub(super) async fn lease(
        &self,
        digest: &Digest,
        files: &[FileRecord],
    ) -> Result<PackageLease, RegistryError> {
        let entry = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            // Entries of packages that nobody holds or opens are dropped here, so that the map stays small. An entry
            // that somebody is about to fill has a second owner.
            shared.retain(|_, entry| {
                Arc::strong_count(entry) > 1
                    || entry.try_lock().map_or(true, |directory| directory.strong_count() > 0)
            });
            Arc::clone(shared.entry(*digest).or_default())
        };
        let mut directory = entry.lock().await;
        if let Some(directory) = directory.upgrade() {
            return Ok(PackageLease { directory });
        }
        let laid_out = Arc::new(self.lay_out(files).await?);
        *directory = Arc::downgrade(&laid_out);
        Ok(PackageLease { directory: laid_out })
    }

    /// Removes every package directory that an earlier process left behind; gives how many.
    pub(super) async fn sweep(&self) -> Result<u64, RegistryError> {
        let root = self.root.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&root)).await;
        swept.map_err(io::Error::other).flatten().map_err(RegistryError::Package)
    }

    async fn lay_out(&self, files: &[FileRecord]) -> Result<PackageDirectory, RegistryError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        // Made before it is filled: its drop then removes whatever a failure leaves.
        let directory = PackageDirectory { path: self.root.join(number.to_string()) };
        let files: Vec<(PackagePath, Digest)> =
            files.iter().map(|file| (file.path.clone(), file.digest)).collect();
        tokio::fs::create_dir_all(&directory.path).await.map_err(RegistryError::Package)?;
        self.artifacts.materialize(&files, &directory.path).await?;
        Ok(directory)
    }
}

fn sweep(root: &Path) -> Result<u64, io::Error> {
    fs_err::create_dir_all(root)?;
    let mut swept = 0;
    for entry in fs_err::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs_err::remove_dir_all(entry.path())?;
        } else {
            fs_err::remove_file(entry.path())?;
        }
        swept += 1;
    }
    Ok(swept)
}
