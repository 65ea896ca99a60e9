//! From an upload to a version.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use yard_jobs::Completion;
use yard_types::{PackagePath, UploadState, VersionNumber};

use super::Registry;
use crate::{
    FileRecord, NewVersion, ProofTask, RegistryError, UploadId, UploadRecord,
    rules::{collision, find_model_file, package_digest},
};

/// Where golden samples stand in a package that has some.
const GOLDEN_SAMPLES: &str = "golden.json";

/// What came of committing an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The version.
    pub version: VersionNumber,
    /// Whether it was made now (or an identical one was there).
    pub created: bool,
}

impl Registry {
    /// Proves the files of an upload and makes them the next version of their model; identical bytes give the version
    /// that is there, unless `new_version`. Once begun, this goes on even when the caller drops the future: the upload
    /// then tells what came of it. Committing a ready upload again gives its version again.
    pub async fn commit(&self, id: UploadId, new_version: bool) -> Result<CommitOutcome, RegistryError> {
        self.commit_for(id, new_version, None).await
    }

    /// Commits, and ends the job that made the files.
    pub(super) async fn commit_for(
        &self,
        id: UploadId,
        new_version: bool,
        completion: Option<Completion>,
    ) -> Result<CommitOutcome, RegistryError> {
        let upload = self.upload(id).await?;
        if let (UploadState::Ready, Some(version)) = (upload.state, upload.version) {
            return Ok(CommitOutcome { version, created: false });
        }
        // Refused here, the upload stays open: what is missing can still be sent.
        self.check_package(&self.receiving_upload(id).await?)?;

        let registry = self.clone();
        let work = async move {
            // A panic fails this upload and nothing else.
            let outcome = AssertUnwindSafe(registry.commit_to_the_end(id, new_version, completion))
                .catch_unwind()
                .await;
            let outcome = outcome.unwrap_or(Err(RegistryError::ProofLost));
            if let Err(error) = &outcome {
                registry.record_failure(id, error).await;
            }
            outcome
        };
        tokio::spawn(work).await.unwrap_or(Err(RegistryError::ProofLost))
    }

    async fn commit_to_the_end(
        &self,
        id: UploadId,
        new_version: bool,
        completion: Option<Completion>,
    ) -> Result<CommitOutcome, RegistryError> {
        let begun = self.store.begin_proving(id).await;
        begun.map_err(|error| match error {
            crate::StoreError::Conflict(_) => {
                RegistryError::UploadClosed { upload: id, state: "being proven" }
            }
            other => other.into(),
        })?;
        // Read again: only now can no more files come.
        let upload = self.upload(id).await?;
        let main = self.check_package(&upload)?.clone();
        let digest = package_digest(&upload.files);

        // Waiting for the permit comes first, so that of two identical uploads the second sees the first one's version.
        let _permit = self.proof_permits.acquire().await.map_err(|_| RegistryError::ProofLost)?;
        if !new_version && let Some(version) = self.store.version_by_digest(&upload.model, &digest).await? {
            self.store.finish_upload(id, version, completion.as_ref(), self.clock.now()).await?;
            return Ok(CommitOutcome { version, created: false });
        }

        let package = self.packages.fresh(&upload.files).await?;
        let task = ProofTask {
            model: upload.model.clone(),
            directory: package.path().to_owned(),
            golden: golden_samples(&upload.files),
            main,
        };
        let proof = self.prover.prove(task).await.map_err(RegistryError::Refused)?;
        drop(package);

        let version = NewVersion {
            upload: id,
            model: upload.model,
            created_at: self.clock.now(),
            created_by: upload.created_by,
            digest,
            files: upload.files,
            proof,
            provenance: upload.provenance,
            completion,
        };
        let version = self.store.insert_version(&version).await?;
        Ok(CommitOutcome { version, created: true })
    }

    /// Finds the model file, after checking the limits that concurrent uploads of files may have stepped over.
    fn check_package<'upload>(
        &self,
        upload: &'upload UploadRecord,
    ) -> Result<&'upload PackagePath, RegistryError> {
        let bytes = upload.files.iter().fold(0u64, |sum, file| sum.saturating_add(file.size));
        if upload.files.len() > self.options.max_files {
            return Err(RegistryError::TooLarge(format!(
                "a package has at most {} files",
                self.options.max_files
            )));
        }
        if bytes > self.options.max_package_bytes {
            return Err(RegistryError::TooLarge(format!(
                "a package has at most {} bytes",
                self.options.max_package_bytes
            )));
        }
        for file in &upload.files {
            if let Some(other) = collision(&upload.files, &file.path) {
                return Err(RegistryError::PathCollision { path: file.path.clone(), other: other.clone() });
            }
        }
        find_model_file(&upload.files)
    }

    async fn record_failure(&self, id: UploadId, error: &RegistryError) {
        // Another commit of the same upload owns it.
        if matches!(error, RegistryError::UploadClosed { .. } | RegistryError::UnknownUpload(_)) {
            return;
        }
        let reason = match error {
            RegistryError::Refused(failure) => failure.message.clone(),
            other => other.to_string(),
        };
        if let Err(error) = self.fail_upload(id, &reason).await {
            // It stays in `proving`; the next start fails it.
            tracing::error!(upload = %id, error = &error as &dyn std::error::Error, "failed to record a failed upload");
        }
    }
}

fn golden_samples(files: &[FileRecord]) -> Option<PackagePath> {
    files.iter().map(|file| &file.path).find(|path| path.as_str() == GOLDEN_SAMPLES).cloned()
}
