//! Pushing a package: hash, send, have it proven.

use std::{collections::BTreeMap, sync::Arc};

use yard_api::management::{CommitRequest, NewUpload};
use yard_types::{Digest, ModelName, VersionNumber};

use crate::{
    Client, ClientError, LocalPackage, Progress, ProgressSink, TransferStep,
    uploads::{Destination, Offset},
};

/// What may be said along with a package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushOptions {
    /// Free text for the passport.
    pub note: Option<String>,
    /// The version of the same model it was made from.
    pub parent: Option<VersionNumber>,
    /// Facts for the passport.
    pub facts: BTreeMap<String, String>,
    /// Make a new version even when an identical one is there.
    pub new_version: bool,
}

/// A package is a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The version.
    pub version: VersionNumber,
    /// Whether it was made now; otherwise an identical one was there.
    pub created: bool,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
}

impl Client {
    /// Pushes a package and returns when its version is ready.
    ///
    /// When the server refuses it, the upload is given up. A future that is dropped leaves the upload to the server,
    /// which clears old ones away by itself.
    pub async fn push(
        &self,
        model: &ModelName,
        package: LocalPackage,
        options: &PushOptions,
        progress: &ProgressSink,
    ) -> Result<Pushed, ClientError> {
        let pushed = self.push_until(model, package, options, progress, std::future::pending()).await?;
        pushed.ok_or_else(|| ClientError::Request("a push that nothing can stop was stopped".to_owned()))
    }

    /// As [`Self::push`], but gives the upload up when `stop` ends first: then there is no version, and `None` is
    /// returned. (When `stop` ends after the server began to make the version, the server may finish it all the same.)
    pub async fn push_until(
        &self,
        model: &ModelName,
        package: LocalPackage,
        options: &PushOptions,
        progress: &ProgressSink,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Pushed>, ClientError> {
        let mut stop = std::pin::pin!(stop);
        let package = Arc::new(package);
        let digests = tokio::select! {
            digests = self.hash(&package, progress) => digests?,
            () = &mut stop => return Ok(None),
        };
        let upload = self
            .create_upload(&NewUpload {
                model: model.as_str().to_owned(),
                note: options.note.clone(),
                parent: options.parent.map(VersionNumber::get),
                facts: options.facts.clone(),
            })
            .await?;
        let pushed = tokio::select! {
            pushed = self.send_and_commit(&upload.id, &package, &digests, options, progress) => pushed.map(Some),
            () = &mut stop => Ok(None),
        };
        if !matches!(pushed, Ok(Some(_))) {
            // The first failure is the one worth telling; the server forgets the upload in time anyway.
            drop(self.delete_upload(&upload.id).await);
        }
        pushed
    }

    pub(crate) async fn hash(
        &self,
        package: &Arc<LocalPackage>,
        progress: &ProgressSink,
    ) -> Result<Vec<Digest>, ClientError> {
        let (package, progress) = (Arc::clone(package), progress.clone());
        let hashing = tokio::task::spawn_blocking(move || package.hash(&progress));
        hashing.await.map_err(|error| ClientError::Request(format!("hashing stopped: {error}")))?
    }

    async fn send_and_commit(
        &self,
        upload: &str,
        package: &LocalPackage,
        digests: &[Digest],
        options: &PushOptions,
        progress: &ProgressSink,
    ) -> Result<Pushed, ClientError> {
        let total = package.size();
        let mut done = 0;
        for (file, digest) in package.files().iter().zip(digests) {
            let offset = Offset { done, total };
            self.send_file(Destination::Model(upload), file, *digest, offset, progress).await?;
            done += file.size;
        }
        progress.report(Progress { step: TransferStep::Prove, path: None, done, total });
        let request = CommitRequest { new_version: options.new_version };
        let reply = self.commit_upload(upload, &request).await?;
        let version = VersionNumber::new(reply.version)
            .map_err(|_| self.protocol("it says that the upload became version 0"))?;
        Ok(Pushed { version, created: reply.created, aliases: reply.aliases })
    }
}
