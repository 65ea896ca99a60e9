//! Pulling a version: its files, checked against their digests.

use std::path::{Path, PathBuf};

use reqwest::Method;
use sha2::{Digest as _, Sha256};
use tokio::{
    fs,
    io::{AsyncWriteExt as _, BufWriter},
};
use yard_api::management::{FileBody, Passport};
use yard_types::{Digest, ModelName, PackagePath, VersionNumber};

use crate::{Client, ClientError, Progress, ProgressSink, TransferStep, uploads::Offset};

/// What was pulled.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// What the server knows of the version.
    pub passport: Passport,
    /// Where its files lie now, in the order of the passport.
    pub files: Vec<PathBuf>,
}

impl Client {
    /// Fetches all files of a version into a directory, which is made when it is not there.
    ///
    /// Each file is written beside its place, checked against its digest and then renamed: a file at its place is
    /// whole. Files that are there already with the right content are left as they are; others are never overwritten.
    pub async fn pull(
        &self,
        model: &ModelName,
        version: VersionNumber,
        folder: &Path,
        progress: &ProgressSink,
    ) -> Result<Pulled, ClientError> {
        let passport = self.passport(model, version).await?;
        let total = passport.files.iter().map(|file| file.size).sum();
        let mut offset = Offset { done: 0, total };
        let mut files = Vec::with_capacity(passport.files.len());
        for file in &passport.files {
            let wanted = self.read_file_body(file)?;
            let place = folder.join(wanted.path.as_str());
            if let Some(parent) = place.parent() {
                let made = fs::create_dir_all(parent).await;
                made.map_err(|error| ClientError::file("make the directory", parent, error))?;
            }
            match digest_of(&place).await? {
                Some(digest) if digest == wanted.digest => {}
                Some(_) => {
                    let error = std::io::Error::other("another file is there; pull into an empty directory");
                    return Err(ClientError::file("write", place, error));
                }
                None => self.fetch(model, version, &wanted, &place, offset, progress).await?,
            }
            offset.done += wanted.size;
            files.push(place);
        }
        Ok(Pulled { passport, files })
    }

    fn read_file_body(&self, file: &FileBody) -> Result<WantedFile, ClientError> {
        // The server is trusted with content, not with places on this machine: its paths are parsed as strictly here.
        let path: PackagePath = file.path.parse().map_err(|error| self.protocol(format!("{error}")))?;
        let digest = file.digest.parse().map_err(|error| self.protocol(format!("{error}")))?;
        Ok(WantedFile { path, digest, size: file.size })
    }

    async fn fetch(
        &self,
        model: &ModelName,
        version: VersionNumber,
        wanted: &WantedFile,
        place: &Path,
        offset: Offset,
        progress: &ProgressSink,
    ) -> Result<(), ClientError> {
        let number = version.to_string();
        let segments = ["api", "v1", "models", model.as_str(), "versions", &number, "files"];
        let url = self.url(segments.into_iter().chain(wanted.path.as_str().split('/')));
        let unfinished = Unfinished::beside(place);
        let failed = |error| ClientError::file("write", &unfinished.0, error);

        let answer =
            tokio::time::timeout(self.options().timeout, self.accepted(self.request(Method::GET, url)));
        let mut response = answer.await.map_err(|_| self.timed_out())??;
        let mut file = BufWriter::new(fs::File::create(&unfinished.0).await.map_err(failed)?);
        let mut hasher = Sha256::new();
        let mut received = 0;
        loop {
            let chunk = tokio::time::timeout(self.options().idle_timeout, response.chunk());
            let chunk = chunk.await.map_err(|_| self.timed_out())?;
            let Some(chunk) = chunk.map_err(|error| self.transport(error))? else { break };
            received += chunk.len() as u64;
            if received > wanted.size {
                return Err(self.protocol(format!("'{}' is longer than its passport says", wanted.path)));
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(failed)?;
            progress.report(Progress {
                step: TransferStep::Receive,
                path: Some(&wanted.path),
                done: offset.done + received,
                total: offset.total,
            });
        }
        if Digest::from_bytes(hasher.finalize().into()) != wanted.digest {
            return Err(self.protocol(format!("the content of '{}' does not have its digest", wanted.path)));
        }
        file.flush().await.map_err(failed)?;
        file.get_ref().sync_all().await.map_err(failed)?;
        fs::rename(&unfinished.0, place).await.map_err(|error| ClientError::file("write", place, error))
    }
}

struct WantedFile {
    path: PackagePath,
    digest: Digest,
    size: u64,
}

/// A file that is not whole yet; whoever drops this early removes it.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(place: &Path) -> Self {
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        Self(place.with_file_name(name))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove, which is no fault.
        drop(std::fs::remove_file(&self.0));
    }
}

/// The digest of a file; `None` when there is none.
async fn digest_of(place: &Path) -> Result<Option<Digest>, ClientError> {
    let owned = place.to_owned();
    let hashing = tokio::task::spawn_blocking(move || {
        let mut file = match std::fs::File::open(&owned) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer)?;
            if count == 0 {
                return Ok(Some(Digest::from_bytes(hasher.finalize().into())));
            }
            hasher.update(&buffer[..count]);
        }
    });
    let digest = hashing.await.map_err(|error| ClientError::Request(format!("hashing stopped: {error}")))?;
    digest.map_err(|error| ClientError::file("read", place, error))
}
