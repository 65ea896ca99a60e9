//! The rules of data sets: files come in one by one and become an immutable version.

use std::{collections::HashSet, time::Duration};

use yard_types::{Digest, ModelName, PackagePath, VersionNumber};

use super::{PackageLease, Registry, uploads::random_upload_id};
use crate::{
    Actor, ArtifactError, ByteStream, DataSetDraft, DataSetRecord, FileRecord, NewDataSet, RegistryError,
    StoreError, UploadId, rules::package_digest,
};

/// Longest schema and longest statistics.
const MAX_JSON: usize = 8 << 20;

/// What came of committing a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSetOutcome {
    /// The version.
    pub version: VersionNumber,
    /// Whether it was made now, or one with the same files and schema was there.
    pub created: bool,
}

impl Registry {
    /// The newest version of every data set, by name.
    pub async fn data_sets(&self) -> Result<Vec<DataSetRecord>, RegistryError> {
        Ok(self.store.data_sets().await?)
    }

    /// All versions of a data set, by number.
    pub async fn data_set_versions(&self, name: &ModelName) -> Result<Vec<DataSetRecord>, RegistryError> {
        let versions = self.store.data_set_versions(name).await?;
        if versions.is_empty() {
            return Err(RegistryError::UnknownDataSet(name.clone()));
        }
        Ok(versions)
    }

    /// One version of a data set, or the newest.
    pub async fn data_set(
        &self,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<DataSetRecord, RegistryError> {
        if let Some(record) = self.store.data_set(name, number).await? {
            return Ok(record);
        }
        match number {
            Some(version) if self.store.data_set(name, None).await?.is_some() => {
                Err(RegistryError::UnknownDataSetVersion { name: name.clone(), version })
            }
            _ => Err(RegistryError::UnknownDataSet(name.clone())),
        }
    }

    /// The files of a version, by path.
    pub async fn data_set_files(&self, record: &DataSetRecord) -> Result<Vec<FileRecord>, RegistryError> {
        Ok(self.store.data_set_files(&record.name, record.number).await?)
    }

    /// Deletes a version of a data set. Its number is never used again; what nothing else points at is deleted by the next
    /// garbage collection. Whether something still reads it is the caller's to know.
    pub async fn remove_data_set(
        &self,
        name: &ModelName,
        number: VersionNumber,
    ) -> Result<(), RegistryError> {
        self.store.remove_data_set(name, number).await.map_err(|error| match error {
            StoreError::Missing(_) => {
                RegistryError::UnknownDataSetVersion { name: name.clone(), version: number }
            }
            other => other.into(),
        })
    }

    /// Lays the files of a version out in a directory. It is there as long as the lease.
    pub async fn open_data_set(&self, record: &DataSetRecord) -> Result<PackageLease, RegistryError> {
        let files = self.data_set_files(record).await?;
        self.packages.lease(&record.digest, &files).await
    }

    /// Lays the files of a draft out in a directory of its own, to be described before it is committed.
    pub async fn open_data_set_draft(&self, id: UploadId) -> Result<PackageLease, RegistryError> {
        self.data_set_draft(id).await?;
        self.packages.fresh(&self.store.draft_files(id).await?).await
    }

    /// Begins a version of a data set, which need not exist yet. Drafts are bounded as uploads are, and given up when
    /// they are not committed in time.
    pub async fn begin_data_set(&self, name: ModelName, by: Actor) -> Result<DataSetDraft, RegistryError> {
        self.expire_drafts().await?;
        let _counted_to_begun = self.begin_lock.lock().await;
        let drafts = self.store.drafts().await?;
        let mut own = drafts.iter().filter(|draft| draft.created_by == by);
        let limit = self.options.max_open_uploads_per_actor;
        if let Some(oldest) = own.next()
            && 1 + own.count() >= limit
        {
            return Err(RegistryError::TooManyOwnUploads { limit, oldest: oldest.id });
        }
        if drafts.len() >= self.options.max_open_uploads {
            return Err(RegistryError::TooManyUploads { limit: self.options.max_open_uploads });
        }
        let (id, created_at) = (random_upload_id()?, self.clock.now());
        let draft = DataSetDraft { id, name, created_at, created_by: by, files: 0, bytes: 0 };
        self.store.insert_draft(&draft).await?;
        Ok(draft)
    }

    /// One draft.
    pub async fn data_set_draft(&self, id: UploadId) -> Result<DataSetDraft, RegistryError> {
        self.store.draft(id).await?.ok_or(RegistryError::UnknownUpload(id))
    }

    /// Takes in one file of a draft; a file that is at this path already is replaced. Any kind is taken: data is read by
    /// parsers that run no code, and never served.
    pub async fn put_data_file(
        &self,
        id: UploadId,
        path: PackagePath,
        content: ByteStream,
        expected: Option<Digest>,
    ) -> Result<FileRecord, RegistryError> {
        // A place is taken before places are counted, as for a package.
        let transfer = self.transfers.begin(id);
        let draft = self.data_set_draft(id).await?;
        let files = draft.files.saturating_add(self.transfers.files(id) as u64);
        if files > self.options.max_data_files {
            let limit = self.options.max_data_files;
            return Err(RegistryError::TooLarge(format!("a data set has at most {limit} files")));
        }
        let room = self.options.max_package_bytes.saturating_sub(draft.bytes);
        let limit = self.options.max_file_bytes.min(room);
        let (content, overflow) = transfer.meter(content, room);
        let staged = self.artifacts.stage(content, limit, expected).await;
        let staged = staged.map_err(|error| match error {
            ArtifactError::TooLarge { limit } if limit == self.options.max_file_bytes => error.into(),
            error if matches!(error, ArtifactError::TooLarge { .. }) || overflow.happened() => {
                let limit = self.options.max_package_bytes;
                RegistryError::TooLarge(format!(
                    "the data set would be larger than {limit} bytes with this file"
                ))
            }
            error => error.into(),
        })?;
        let artifact = staged.artifact();
        let file = FileRecord { path, digest: artifact.digest, size: artifact.size };
        let _no_collection_between = self.garbage_lock.read().await;
        staged.publish().await?;
        self.store.put_draft_file(id, &file).await.map_err(|error| gone(error, id))?;
        Ok(file)
    }

    /// Gives a draft up. What it brought is deleted by the next garbage collection.
    pub async fn abort_data_set(&self, id: UploadId) -> Result<(), RegistryError> {
        self.store.remove_draft(id).await.map_err(|error| gone(error, id))
    }

    /// Makes a draft the next version of its data set. `schema` and `statistics` are JSON, told by whoever described the
    /// files. The newest version is given again when it has the same files and schema; the draft is then gone.
    pub async fn commit_data_set(
        &self,
        id: UploadId,
        schema: String,
        statistics: String,
    ) -> Result<DataSetOutcome, RegistryError> {
        if schema.len().max(statistics.len()) > MAX_JSON {
            let message =
                format!("the schema and the statistics of a data set have at most {MAX_JSON} bytes each");
            return Err(RegistryError::TooLarge(message));
        }
        let draft = self.data_set_draft(id).await?;
        let files = self.store.draft_files(id).await?;
        self.check_data_files(&files)?;
        let digest = package_digest(&files);
        let newest = self.store.data_set(&draft.name, None).await?;
        if let Some(newest) = newest.filter(|newest| newest.digest == digest && newest.schema == schema) {
            self.abort_data_set(id).await?;
            return Ok(DataSetOutcome { version: newest.number, created: false });
        }
        let new = NewDataSet { draft: id, created_at: self.clock.now(), digest, schema, statistics };
        let version = self.store.insert_data_set(&new).await.map_err(|error| gone(error, id))?;
        Ok(DataSetOutcome { version, created: true })
    }

    /// Gives up drafts that were not committed in time.
    pub(super) async fn expire_drafts(&self) -> Result<(), RegistryError> {
        let lifetime: Duration = self.options.upload_lifetime;
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        for draft in self.store.drafts().await? {
            if draft.created_at.plus_milliseconds(lifetime) >= now {
                // They come by age.
                break;
            }
            match self.store.remove_draft(draft.id).await {
                Ok(()) | Err(StoreError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn check_data_files(&self, files: &[FileRecord]) -> Result<(), RegistryError> {
        if files.is_empty() {
            return Err(RegistryError::EmptyDataSet);
        }
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        // Files that came at once may have stepped over it together.
        if bytes > self.options.max_package_bytes {
            let limit = self.options.max_package_bytes;
            return Err(RegistryError::TooLarge(format!("a data set has at most {limit} bytes")));
        }
        let paths: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for file in files {
            for (end, _) in file.path.as_str().match_indices('/') {
                if let Some(other) = paths.get(&file.path.as_str()[..end]) {
                    let other = files.iter().find(|file| file.path.as_str() == *other);
                    let other = other.map_or_else(|| file.path.clone(), |other| other.path.clone());
                    return Err(RegistryError::PathCollision { path: file.path.clone(), other });
                }
            }
        }
        Ok(())
    }
}

fn gone(error: StoreError, id: UploadId) -> RegistryError {
    match error {
        StoreError::Missing(_) => RegistryError::UnknownUpload(id),
        other => other.into(),
    }
}
