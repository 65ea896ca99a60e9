//! Data sets: what the registry keeps of them, and what it asks of the place where their rows are.

use async_trait::async_trait;
use yard_types::{Digest, ModelName, Timestamp, VersionNumber};

use crate::{Actor, FileRecord, StoreError, UploadId};

/// Files on their way to becoming a version of a data set. Their list is not part of it: it may be long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSetDraft {
    /// Its id.
    pub id: UploadId,
    /// The data set it will belong to, which need not exist yet.
    pub name: ModelName,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Who began it.
    pub created_by: Actor,
    /// How many files have come in whole.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One immutable version of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSetRecord {
    /// The data set: a name of the form of a model's, in a space of its own.
    pub name: ModelName,
    /// The number; they begin at 1 and are never used twice.
    pub number: VersionNumber,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Actor,
    /// The digest of all its files: of the sorted list of paths and file digests.
    pub digest: Digest,
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Its columns with their roles and types, as JSON.
    pub schema: String,
    /// What its columns hold, as JSON.
    pub statistics: String,
}

/// A version of a data set about to be written; the store gives it its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDataSet {
    /// The draft it is made of, whose files it takes over and which is gone in the same transaction.
    pub draft: UploadId,
    /// When.
    pub created_at: Timestamp,
    /// The digest of all files of the draft. The store refuses the version when these are other files by then.
    pub digest: Digest,
    /// Its columns with their roles and types, as JSON.
    pub schema: String,
    /// What its columns hold, as JSON.
    pub statistics: String,
}

/// Rows of data sets. Every method is one transaction; after it returns the change survives a crash.
#[async_trait]
pub trait DataSetStore: Send + Sync {
    /// The newest version of every data set, by name.
    async fn data_sets(&self) -> Result<Vec<DataSetRecord>, StoreError>;
    /// All versions of a data set, by number.
    async fn data_set_versions(&self, name: &ModelName) -> Result<Vec<DataSetRecord>, StoreError>;
    /// One version, or the newest.
    async fn data_set(
        &self,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<Option<DataSetRecord>, StoreError>;
    /// The files of a version, by path; none without such a version.
    async fn data_set_files(
        &self,
        name: &ModelName,
        number: VersionNumber,
    ) -> Result<Vec<FileRecord>, StoreError>;

    /// Deletes a version; its number is never used again. [`StoreError::Missing`] without such a version.
    async fn remove_data_set(&self, name: &ModelName, number: VersionNumber) -> Result<(), StoreError>;

    /// Begins a draft.
    async fn insert_draft(&self, draft: &DataSetDraft) -> Result<(), StoreError>;
    /// All drafts, by age.
    async fn drafts(&self) -> Result<Vec<DataSetDraft>, StoreError>;
    /// One draft.
    async fn draft(&self, id: UploadId) -> Result<Option<DataSetDraft>, StoreError>;
    /// The files of a draft, by path; none without such a draft.
    async fn draft_files(&self, id: UploadId) -> Result<Vec<FileRecord>, StoreError>;
    /// Adds a file to a draft, or replaces the one at the same path; [`StoreError::Missing`] without such a draft.
    async fn put_draft_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError>;
    /// Gives a draft up; [`StoreError::Missing`] without such a draft.
    async fn remove_draft(&self, id: UploadId) -> Result<(), StoreError>;
    /// Makes a draft the next version of its data set. [`StoreError::Missing`] without such a draft,
    /// [`StoreError::Conflict`] when a file came in meanwhile.
    async fn insert_data_set(&self, new: &NewDataSet) -> Result<VersionNumber, StoreError>;
}
