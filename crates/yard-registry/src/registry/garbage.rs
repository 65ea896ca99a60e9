//! What is deleted, and what is put in order at start.

use std::collections::HashSet;

use yard_types::{Digest, UploadState};

use super::Registry;
use crate::{RegistryError, StoreError};

/// What garbage collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GarbageReport {
    /// Contents deleted.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Left-overs of interrupted writes deleted.
    pub temporary: u64,
    /// Contents that something points at, or that came while garbage was collected.
    pub kept: u64,
}

/// What was put in order at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// Uploads that were being proven when the process ended; they have failed.
    pub interrupted_proofs: u64,
    /// Left-overs of interrupted writes deleted.
    pub temporary: u64,
    /// Package directories deleted.
    pub packages: u64,
}

impl Registry {
    /// Puts in order what an earlier process left behind. To be called once, before anything else uses the data:
    /// uploads that were being proven have failed, those that were receiving go on.
    pub async fn recover(&self) -> Result<RecoveryReport, RegistryError> {
        let mut report = RecoveryReport::default();
        for upload in self.store.open_uploads().await? {
            if upload.state == UploadState::Proving {
                let reason = "the server stopped while the model was being proven: push it again";
                self.store.fail_upload(upload.id, reason).await?;
                report.interrupted_proofs += 1;
            }
        }
        self.expire_uploads().await?;
        report.packages = self.packages.sweep().await?;
        report.temporary = self.artifacts.sweep_temporary().await?;
        Ok(report)
    }

    /// Deletes contents that nothing points at. Safe at any time, beside uploads and beside itself.
    pub async fn gc(&self) -> Result<GarbageReport, RegistryError> {
        self.expire_uploads().await?;
        self.expire_drafts().await?;
        let retention = i64::try_from(self.options.upload_retention.as_millis()).unwrap_or(i64::MAX);
        let forget_before = self.clock.now().plus_milliseconds(retention.saturating_neg());
        self.store.forget_uploads(forget_before).await?;

        let mut report =
            GarbageReport { temporary: self.artifacts.sweep_temporary().await?, ..Default::default() };
        // Listing may take long and needs no lock: what comes in after it is not on the list.
        let listed = self.artifacts.list().await?;
        // From here until the end no content can become visible and no file can be recorded. What is on the list and
        // not referred to now is therefore referred to by nobody, nor can anybody be about to.
        let _nothing_published = self.garbage_lock.write().await;
        let referenced: HashSet<Digest> = self.store.referenced_digests().await?.into_iter().collect();
        for artifact in listed {
            if referenced.contains(&artifact.digest) {
                report.kept += 1;
                continue;
            }
            self.artifacts.delete(&artifact.digest).await?;
            report.deleted += 1;
            report.bytes += artifact.size;
        }
        Ok(report)
    }

    /// Fails an upload on behalf of a commit that came to nothing.
    pub(super) async fn fail_upload(&self, id: crate::UploadId, reason: &str) -> Result<(), RegistryError> {
        match self.store.fail_upload(id, reason).await {
            // It is past failing; whoever moved it on has said why.
            Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
