//! Packages as directories: hard links where the content is on the same file system, else copies.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use yard_registry::{ArtifactError, ArtifactStore as _};
use yard_types::{Digest, PackagePath};

use super::{ObjectArtifacts, blob, blocking, failed};

/// A directory under construction, removed unless it is finished.
struct Partial {
    path: PathBuf,
    finished: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // The first error is the one that matters; what is left is swept at the next start.
            let _ = fs_err::remove_dir_all(&self.path);
        }
    }
}

pub(super) async fn materialize(
    artifacts: &ObjectArtifacts,
    files: &[(PackagePath, Digest)],
    directory: &Path,
) -> Result<(), ArtifactError> {
    let mut partial_name = directory.as_os_str().to_owned();
    partial_name.push(".partial");
    let mut partial = Partial { path: partial_name.into(), finished: false };
    let root = partial.path.clone();
    blocking(move || begin(&root)).await?;
    match &artifacts.local {
        Some(local) => {
            let mut links = Vec::with_capacity(files.len());
            for (path, digest) in files {
                let content = local.path_to_filesystem(&blob(digest)).map_err(failed)?;
                links.push((content, partial.path.join(path.as_str()), *digest));
            }
            let linked = tokio::task::spawn_blocking(move || link_all(links)).await;
            linked.map_err(|error| ArtifactError::Backend(Box::new(error)))??;
        }
        None => {
            for (path, digest) in files {
                copy(artifacts, digest, partial.path.join(path.as_str())).await?;
            }
        }
    }
    let (from, to) = (partial.path.clone(), directory.to_owned());
    // Renaming a directory over an empty one replaces it; over one that is not empty it fails.
    blocking(move || fs_err::rename(from, to)).await?;
    partial.finished = true;
    Ok(())
}

fn begin(root: &Path) -> io::Result<()> {
    if let Some(parent) = root.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::create_dir(root)
}

fn link_all(links: Vec<(PathBuf, PathBuf, Digest)>) -> Result<(), ArtifactError> {
    for (content, path, digest) in links {
        link(&content, &path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArtifactError::Missing(digest),
            _ => ArtifactError::Backend(Box::new(error)),
        })?;
    }
    Ok(())
}

fn link(content: &Path, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match hard_link(content, path) {
        Ok(()) => Ok(()),
        // Another file system, too many links, or a file system without them.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::CrossesDevices
                    | io::ErrorKind::TooManyLinks
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::Unsupported
            ) =>
        {
            fs_err::copy(content, path).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// A hard link to content that others may be publishing again at this moment.
///
/// Publishing renames over what is there. A link that is made in between finds the old file without a name and fails as
/// if there were none, although the same content stands under the name all the time.
fn hard_link(content: &Path, path: &Path) -> io::Result<()> {
    const TRIES: usize = 100;
    let mut outcome = fs_err::hard_link(content, path);
    for _ in 1..TRIES {
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound && content.exists() => {
                outcome = fs_err::hard_link(content, path);
            }
            _ => break,
        }
    }
    outcome
}

async fn copy(artifacts: &ObjectArtifacts, digest: &Digest, path: PathBuf) -> Result<(), ArtifactError> {
    let backend = |error: io::Error| ArtifactError::Backend(Box::new(error));
    let (_, mut content) = artifacts.read(digest).await?;
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(backend)?;
    }
    let mut file = tokio::fs::File::create_new(&path).await.map_err(backend)?;
    while let Some(piece) = content.next().await {
        file.write_all(&piece.map_err(backend)?).await.map_err(backend)?;
    }
    file.flush().await.map_err(backend)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn content_that_is_published_again_meanwhile_can_be_linked() {
        let place = tempfile::tempdir().unwrap();
        let content = place.path().join("content");
        fs_err::write(&content, "x").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                let staged = place.path().join("staged");
                while !done.load(Ordering::Relaxed) {
                    fs_err::write(&staged, "x").unwrap();
                    fs_err::rename(&staged, &content).unwrap();
                }
            });
            for number in 0..5000 {
                let link = place.path().join(format!("link {}", number % 100));
                let _ = fs_err::remove_file(&link);
                let linked = hard_link(&content, &link);
                if linked.is_err() {
                    done.store(true, Ordering::Relaxed);
                }
                linked.unwrap();
            }
            done.store(true, Ordering::Relaxed);
            publisher.join().unwrap();
        });
        assert!(hard_link(&place.path().join("absent"), &place.path().join("link")).is_err());
    }
}
