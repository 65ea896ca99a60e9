//! Files and batches, in SQLite.

mod changes;
mod files;
mod lines;
mod rows;

use async_trait::async_trait;
use yard_batches::{
    Batch, BatchEnd, BatchId, BatchStore, BatchStoreError, FileId, FileQuery, LineRecord, Owner, Problem,
    StoredFile, Usage,
};
use yard_registry::StoreError;
use yard_types::Timestamp;

use crate::{Database, columns};

/// Files and batches in a [`Database`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteBatchStore {
    database: Database,
}

impl SqliteBatchStore {
    /// Keeps the rows in this database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// The two crates each state how a store may fail, in the same words.
fn told(error: StoreError) -> BatchStoreError {
    match error {
        StoreError::Conflict(text) => BatchStoreError::Conflict(text),
        StoreError::Missing(what) => BatchStoreError::Missing(what),
        StoreError::Full(source) => BatchStoreError::Full(source),
        StoreError::Backend(source) => BatchStoreError::Backend(source),
    }
}

/// Wraps a fault of the store.
fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BatchStoreError {
    told(columns::backend(error))
}

#[async_trait]
impl BatchStore for SqliteBatchStore {
    async fn insert_file(
        &self,
        file: &StoredFile,
        most: u64,
        most_bytes: u64,
    ) -> Result<(), BatchStoreError> {
        files::insert_bounded(&self.database, file, most, most_bytes).await
    }

    async fn usage(&self, owner: &Owner) -> Result<Usage, BatchStoreError> {
        files::usage(&self.database, owner).await
    }

    async fn file(
        &self,
        owner: &Owner,
        id: &FileId,
        now: Timestamp,
    ) -> Result<Option<StoredFile>, BatchStoreError> {
        files::one(&self.database, owner, id, now).await
    }

    async fn files(&self, owner: &Owner, query: &FileQuery) -> Result<Vec<StoredFile>, BatchStoreError> {
        files::page(&self.database, owner, query).await
    }

    async fn remove_file(&self, owner: &Owner, id: &FileId) -> Result<(), BatchStoreError> {
        files::remove(&self.database, owner, id).await
    }

    async fn remove_expired_files(&self, now: Timestamp) -> Result<u64, BatchStoreError> {
        files::remove_expired(&self.database, now).await
    }

    async fn insert_batch(
        &self,
        batch: &Batch,
        most_open: u64,
        most_ended: u64,
    ) -> Result<(), BatchStoreError> {
        changes::insert(&self.database, batch, most_open, most_ended).await
    }

    async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, BatchStoreError> {
        rows::one(&self.database, owner, id).await
    }

    async fn batches(
        &self,
        owner: &Owner,
        after: Option<&BatchId>,
        limit: u32,
    ) -> Result<Vec<Batch>, BatchStoreError> {
        rows::page(&self.database, owner, after, limit).await
    }

    async fn open_batches(&self) -> Result<Vec<Batch>, BatchStoreError> {
        rows::open(&self.database).await
    }

    async fn begin(&self, id: &BatchId, total: u64, at: Timestamp) -> Result<(), BatchStoreError> {
        changes::begin(&self.database, id, total, at).await
    }

    async fn fail(&self, id: &BatchId, problems: &[Problem], at: Timestamp) -> Result<(), BatchStoreError> {
        changes::fail(&self.database, id, problems, at).await
    }

    async fn put_line(&self, id: &BatchId, line: &LineRecord) -> Result<bool, BatchStoreError> {
        lines::put(&self.database, id, line).await
    }

    async fn done_lines(&self, id: &BatchId) -> Result<Vec<(u32, bool)>, BatchStoreError> {
        lines::done(&self.database, id).await
    }

    async fn lines(
        &self,
        id: &BatchId,
        succeeded: bool,
        after: u32,
        limit: u32,
    ) -> Result<Vec<LineRecord>, BatchStoreError> {
        lines::page(&self.database, id, succeeded, after, limit).await
    }

    async fn begin_finalizing(&self, id: &BatchId, at: Timestamp) -> Result<(), BatchStoreError> {
        changes::begin_finalizing(&self.database, id, at).await
    }

    async fn cancel(&self, owner: &Owner, id: &BatchId, at: Timestamp) -> Result<Batch, BatchStoreError> {
        changes::cancel(&self.database, owner, id, at).await
    }

    async fn finish(&self, id: &BatchId, end: &BatchEnd, at: Timestamp) -> Result<(), BatchStoreError> {
        changes::finish(&self.database, id, end, at).await
    }
}
