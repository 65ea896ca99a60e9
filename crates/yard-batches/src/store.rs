//! What batches ask of the place where their rows are kept.

use async_trait::async_trait;
use yard_types::Timestamp;

use crate::{Batch, BatchEnd, BatchId, FileId, LineRecord, Owner, Problem, Purpose, StoredFile, Usage};

/// How the store fails.
#[derive(Debug, thiserror::Error)]
pub enum BatchStoreError {
    /// The state changed under the caller, or does not allow the change; the text is for the caller.
    #[error("{0}")]
    Conflict(String),
    /// The row that the caller named is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// There are as many as there may be.
    #[error("there are {0} already, which is the most there may be")]
    TooMany(u64),
    /// All together would have more bytes than they may.
    #[error("all together would have more than {0} bytes, which is the most they may")]
    NoRoom(u64),
    /// There is no room for the change; nothing was changed.
    #[error("the disk of the server is full: nothing can be changed until its operator frees some space")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store itself failed.
    #[error("the store of batches failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which files to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileQuery {
    /// Only those for this.
    pub purpose: Option<Purpose>,
    /// Only those after this one on the list; [`BatchStoreError::Missing`] when it is not there.
    pub after: Option<FileId>,
    /// Oldest first, rather than newest first.
    pub oldest_first: bool,
    /// At most so many.
    pub limit: u32,
    /// Those that are gone by now are left out.
    pub now: Timestamp,
}

/// Rows of files, batches and the outcomes of lines. Every method is one transaction; after it returns the change survives
/// a crash.
///
/// What belongs to another owner is not there for this one. Where the state of a batch does not allow a change
/// ([`crate::BatchStatus::may_become`]) that is [`BatchStoreError::Conflict`], and nothing is changed.
#[async_trait]
pub trait BatchStore: Send + Sync {
    /// Adds a file; [`BatchStoreError::TooMany`] when its owner has `most` already, where what batches write does not count,
    /// and [`BatchStoreError::NoRoom`] when with it [`Usage::bytes`] would be more than `most_bytes`.
    async fn insert_file(&self, file: &StoredFile, most: u64, most_bytes: u64)
    -> Result<(), BatchStoreError>;
    /// What the files of an owner take up. Those whose time is over count until they are deleted.
    async fn usage(&self, owner: &Owner) -> Result<Usage, BatchStoreError>;
    /// One file that is not gone at `now`.
    async fn file(
        &self,
        owner: &Owner,
        id: &FileId,
        now: Timestamp,
    ) -> Result<Option<StoredFile>, BatchStoreError>;
    /// A page of files.
    async fn files(&self, owner: &Owner, query: &FileQuery) -> Result<Vec<StoredFile>, BatchStoreError>;
    /// Deletes a file; [`BatchStoreError::Missing`] without it.
    async fn remove_file(&self, owner: &Owner, id: &FileId) -> Result<(), BatchStoreError>;
    /// Deletes files that are gone at `now`; gives how many. A store that knows keys deletes what belongs to those that were
    /// revoked thirty days before as well: nobody can ask for it any more.
    async fn remove_expired_files(&self, now: Timestamp) -> Result<u64, BatchStoreError>;

    /// Adds a batch; [`BatchStoreError::TooMany`] when its owner has `most_open` that have not ended. Of those that have
    /// ended the newest `most_ended` are kept.
    async fn insert_batch(
        &self,
        batch: &Batch,
        most_open: u64,
        most_ended: u64,
    ) -> Result<(), BatchStoreError>;
    /// One batch.
    async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, BatchStoreError>;
    /// A page of batches, the newest first, from the one after `after`; [`BatchStoreError::Missing`] without that one.
    async fn batches(
        &self,
        owner: &Owner,
        after: Option<&BatchId>,
        limit: u32,
    ) -> Result<Vec<Batch>, BatchStoreError>;
    /// All batches that have not ended, of all owners, in the order in which they were made.
    async fn open_batches(&self) -> Result<Vec<Batch>, BatchStoreError>;

    /// `validating` to `in_progress`, with so many lines.
    async fn begin(&self, id: &BatchId, total: u64, at: Timestamp) -> Result<(), BatchStoreError>;
    /// `validating` to `failed`.
    async fn fail(&self, id: &BatchId, problems: &[Problem], at: Timestamp) -> Result<(), BatchStoreError>;
    /// Writes what became of a line and counts it. A line that has an outcome keeps it: then nothing changes and `false`
    /// is given. Only while the batch is `in_progress`.
    async fn put_line(&self, id: &BatchId, line: &LineRecord) -> Result<bool, BatchStoreError>;
    /// The lines that have an outcome, in order, and whether they succeeded.
    async fn done_lines(&self, id: &BatchId) -> Result<Vec<(u32, bool)>, BatchStoreError>;
    /// Outcomes of lines after this number, in order: those that succeeded, or the others.
    async fn lines(
        &self,
        id: &BatchId,
        succeeded: bool,
        after: u32,
        limit: u32,
    ) -> Result<Vec<LineRecord>, BatchStoreError>;
    /// `in_progress` to `finalizing`.
    async fn begin_finalizing(&self, id: &BatchId, at: Timestamp) -> Result<(), BatchStoreError>;
    /// To `cancelling`, from any state that is not the end, and from `validating`, where nothing has to be finished, right to
    /// `cancelled`; a batch that is `cancelling` already stays. [`BatchStoreError::Missing`] without it.
    async fn cancel(&self, owner: &Owner, id: &BatchId, at: Timestamp) -> Result<Batch, BatchStoreError>;
    /// `finalizing` or `cancelling` to an end, with the files that it leaves. The outcomes of its lines, which are in these
    /// files, are deleted.
    async fn finish(&self, id: &BatchId, end: &BatchEnd, at: Timestamp) -> Result<(), BatchStoreError>;
}
