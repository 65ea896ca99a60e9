//! The rows of jobs, in SQLite.

mod changes;
mod queries;
mod reports;

use async_trait::async_trait;
use yard_jobs::{
    Checkpoint, Claim, Ending, HolderId, Job, JobEvent, JobId, JobQuery, JobStore, JobStoreError, Lease,
    LogLine, Metric, Report, Setback,
};
use yard_registry::StoreError;
use yard_types::Timestamp;

pub(crate) use changes::succeed;

use crate::Database;

/// Jobs in a [`Database`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteJobStore {
    database: Database,
}

impl SqliteJobStore {
    /// Keeps the rows in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

/// The two crates each state how a store may fail, in the same words.
fn told(error: StoreError) -> JobStoreError {
    match error {
        StoreError::Conflict(text) => JobStoreError::Conflict(text),
        StoreError::Missing(what) => JobStoreError::Missing(what),
        StoreError::Full(source) => JobStoreError::Full(source),
        StoreError::Backend(source) => JobStoreError::Backend(source),
    }
}

#[async_trait]
impl JobStore for SqliteJobStore {
    async fn insert(&self, job: &Job) -> Result<(), JobStoreError> {
        changes::insert(&self.database, job).await.map_err(told)
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, JobStoreError> {
        queries::one(&self.database, id).await.map_err(told)
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, JobStoreError> {
        queries::page(&self.database, query).await.map_err(told)
    }

    async fn active(&self) -> Result<Vec<Job>, JobStoreError> {
        queries::active(&self.database).await.map_err(told)
    }

    async fn trials(&self, search: JobId) -> Result<Vec<Job>, JobStoreError> {
        queries::trials(&self.database, search).await.map_err(told)
    }

    async fn start(&self, id: JobId, lease: &Lease, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        changes::start(&self.database, id, lease, at).await.map_err(told)
    }

    async fn renew(&self, holder: HolderId, expires_at: Timestamp) -> Result<Vec<JobId>, JobStoreError> {
        changes::renew(&self.database, holder, expires_at).await.map_err(told)
    }

    async fn requeue(
        &self,
        claim: &Claim,
        setback: Option<Setback>,
        at: Timestamp,
    ) -> Result<JobEvent, JobStoreError> {
        changes::requeue(&self.database, claim, setback, at).await.map_err(told)
    }

    async fn finish(&self, claim: &Claim, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        changes::finish(&self.database, claim, ending, at).await.map_err(told)
    }

    async fn end_queued(&self, id: JobId, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        changes::end_queued(&self.database, id, ending, at).await.map_err(told)
    }

    async fn request_cancel(&self, id: JobId) -> Result<(), JobStoreError> {
        changes::request_cancel(&self.database, id).await.map_err(told)
    }

    async fn record(
        &self,
        claim: &Claim,
        reports: &[Report],
        at: Timestamp,
    ) -> Result<Vec<JobEvent>, JobStoreError> {
        reports::record(&self.database, claim, reports, at).await.map_err(told)
    }

    async fn events(&self, id: JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>, JobStoreError> {
        reports::events(&self.database, id, after, limit).await.map_err(told)
    }

    async fn metrics(&self, id: JobId) -> Result<Vec<Metric>, JobStoreError> {
        reports::metrics(&self.database, id).await.map_err(told)
    }

    async fn log_lines(&self, id: JobId, limit: u32) -> Result<Vec<(Timestamp, LogLine)>, JobStoreError> {
        reports::log_lines(&self.database, id, limit).await.map_err(told)
    }

    async fn checkpoints(&self, id: JobId) -> Result<Vec<Checkpoint>, JobStoreError> {
        reports::checkpoints(&self.database, id).await.map_err(told)
    }

    async fn forget(&self, ended_before: Timestamp) -> Result<Vec<JobId>, JobStoreError> {
        changes::forget(&self.database, ended_before).await.map_err(told)
    }
}
