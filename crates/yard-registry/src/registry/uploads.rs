//! Bytes in: begin an upload, put files, abort.

use std::time::Duration;

use yard_types::{Digest, ModelName, PackagePath, Timestamp, UploadState};

use super::{
    Registry,
    transfer::{Overflow, peek},
};
use crate::{
    Actor, ArtifactError, ByteStream, FileRecord, Provenance, RegistryError, StoreError, UploadId,
    UploadRecord,
    rules::{HEAD_BYTES, refused_by_content, refused_by_name, room_for},
};

/// Longest note, origin, name of a fact or fact, in bytes.
const MAX_TEXT: usize = 4096;
/// Most facts.
const MAX_FACTS: usize = 64;

impl Registry {
    /// Begins an upload of files that are to become a version of this model, which need not exist yet.
    pub async fn begin_upload(
        &self,
        model: ModelName,
        by: Actor,
        provenance: Provenance,
    ) -> Result<UploadRecord, RegistryError> {
        check_provenance(&provenance)?;
        if let Some(parent) = provenance.parent {
            self.version(&model, parent).await?;
        }
        self.expire_uploads().await?;
        let _counted_to_begun = self.begin_lock.lock().await;
        self.require_place(&by).await?;
        let upload = UploadRecord {
            id: random_upload_id()?,
            model,
            state: UploadState::Receiving,
            created_at: self.clock.now(),
            created_by: by,
            files: Vec::new(),
            failure: None,
            version: None,
            provenance,
        };
        self.store.insert_upload(&upload).await?;
        Ok(upload)
    }

    /// One upload, in whatever state.
    pub async fn upload(&self, id: UploadId) -> Result<UploadRecord, RegistryError> {
        self.store.upload(id).await?.ok_or(RegistryError::UnknownUpload(id))
    }

    /// Takes in one file; a file that is at this path already is replaced. When `expected` is given, the content must
    /// have that digest.
    pub async fn put_file(
        &self,
        id: UploadId,
        path: PackagePath,
        content: ByteStream,
        expected: Option<Digest>,
    ) -> Result<FileRecord, RegistryError> {
        if let Some(advice) = refused_by_name(&path) {
            return Err(RegistryError::RefusedFile { path, advice });
        }
        self.take_file(id, path, content, expected).await
    }

    /// Takes in one file, whatever its name.
    pub(super) async fn take_file(
        &self,
        id: UploadId,
        path: PackagePath,
        content: ByteStream,
        expected: Option<Digest>,
    ) -> Result<FileRecord, RegistryError> {
        let upload = self.receiving_upload(id).await?;
        // A place is taken before places are counted: two files can then be refused for the last one, but not both let in.
        let _arrival = self.progress.arrival(id);
        let transfer = self.transfers.begin(id);
        let arriving = self.transfers.files(id) - 1;
        let limit = room_for(&upload.files, &path, arriving, &self.options)?;

        let (head, content) = peek(content, HEAD_BYTES).await.map_err(ArtifactError::Interrupted)?;
        if let Some(advice) = refused_by_content(&head) {
            return Err(RegistryError::RefusedFile { path, advice });
        }
        let room = self.room_of_transfers(&upload, &path);
        let (content, overflow) = transfer.meter(content, room);
        let staged = self.artifacts.stage(content, limit, expected).await;
        let staged = staged.map_err(|error| self.explain_size(error, limit, &overflow))?;

        let artifact = staged.artifact();
        let file = FileRecord { path, digest: artifact.digest, size: artifact.size };
        let _no_collection_between = self.garbage_lock.read().await;
        staged.publish().await?;
        self.store.put_upload_file(id, &file).await.map_err(|error| closed_meanwhile(error, id))?;
        Ok(file)
    }

    /// Gives an upload up. What it brought is deleted by the next garbage collection.
    pub async fn abort_upload(&self, id: UploadId) -> Result<(), RegistryError> {
        self.receiving_upload(id).await?;
        let failed = self.store.fail_upload(id, "it was aborted by its sender").await;
        failed.map_err(|error| closed_meanwhile(error, id))
    }

    /// Fails uploads that were not committed in time or of which nothing arrived for long.
    pub(super) async fn expire_uploads(&self) -> Result<(), RegistryError> {
        let now = self.clock.now();
        let has_passed = |limit: Duration, since: Timestamp| {
            let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            since.plus_milliseconds(limit) < now
        };
        let open = self.store.open_uploads().await?;
        self.progress.forget_others(&open);
        for upload in open {
            if upload.state != UploadState::Receiving {
                continue;
            }
            let is_idle = self.transfers.files(upload.id) == 0
                && has_passed(self.options.upload_idle_limit, self.progress.last(&upload));
            let reason = if has_passed(self.options.upload_lifetime, upload.created_at) {
                "it was not committed in time"
            } else if is_idle {
                "nothing of it arrived for too long"
            } else {
                continue;
            };
            match self.store.fail_upload(upload.id, reason).await {
                // Somebody committed or aborted it at this very moment.
                Ok(()) | Err(StoreError::Conflict(_) | StoreError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether one more upload may be begun by this actor.
    async fn require_place(&self, by: &Actor) -> Result<(), RegistryError> {
        let open = self.store.open_uploads().await?;
        let mut own = open.iter().filter(|upload| upload.created_by == *by);
        let limit = self.options.max_open_uploads_per_actor;
        // They come by age.
        if let Some(oldest) = own.next()
            && 1 + own.count() >= limit
        {
            return Err(RegistryError::TooManyOwnUploads { limit, oldest: oldest.id });
        }
        let limit = self.options.max_open_uploads;
        if open.len() >= limit {
            return Err(RegistryError::TooManyUploads { limit });
        }
        Ok(())
    }

    /// The upload, if it is receiving.
    pub(super) async fn receiving_upload(&self, id: UploadId) -> Result<UploadRecord, RegistryError> {
        let upload = self.upload(id).await?;
        match upload.state {
            UploadState::Receiving => Ok(upload),
            UploadState::Failed => {
                Err(RegistryError::UploadFailed { upload: id, reason: upload.failure.unwrap_or_default() })
            }
            state @ (UploadState::Proving | UploadState::Ready) => {
                Err(RegistryError::UploadClosed { upload: id, state: state.as_str() })
            }
        }
    }

    /// What all files that are on their way may take together.
    fn room_of_transfers(&self, upload: &UploadRecord, path: &PackagePath) -> u64 {
        let others = upload.files.iter().filter(|file| file.path != *path);
        let taken = others.fold(0u64, |sum, file| sum.saturating_add(file.size));
        self.options.max_package_bytes.saturating_sub(taken)
    }

    /// Says which limit a file broke.
    fn explain_size(&self, error: ArtifactError, limit: u64, overflow: &Overflow) -> RegistryError {
        let package = match &error {
            ArtifactError::TooLarge { .. } => limit < self.options.max_file_bytes,
            _ => overflow.happened(),
        };
        if !package {
            return error.into();
        }
        RegistryError::TooLarge(format!(
            "the package would be larger than {} bytes with this file",
            self.options.max_package_bytes
        ))
    }
}

fn closed_meanwhile(error: StoreError, upload: UploadId) -> RegistryError {
    match error {
        StoreError::Conflict(_) => RegistryError::UploadClosed { upload, state: "committed or aborted" },
        other => other.into(),
    }
}

fn check_provenance(provenance: &Provenance) -> Result<(), RegistryError> {
    let too_long = |text: &str| text.len() > MAX_TEXT;
    if provenance.note.as_deref().is_some_and(too_long) || too_long(&provenance.origin) {
        return Err(RegistryError::Provenance("the note is longer than 4096 bytes"));
    }
    if provenance.facts.len() > MAX_FACTS {
        return Err(RegistryError::Provenance("there are more than 64 facts"));
    }
    if provenance.facts.iter().any(|(name, fact)| too_long(name) || too_long(fact)) {
        return Err(RegistryError::Provenance("a fact or its name is longer than 4096 bytes"));
    }
    Ok(())
}

pub(super) fn random_upload_id() -> Result<UploadId, RegistryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Backend(Box::new(error)))?;
    Ok(UploadId::from_bits(u128::from_ne_bytes(bytes)))
}
