//! What the registry asks of the place where its rows are kept.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use yard_jobs::Completion;
use yard_types::{AliasName, Digest, ModelName, Timestamp, VersionNumber};

use crate::{
    Actor, AliasMove, AliasRecord, DataSetStore, FileRecord, ModelRecord, NewVersion, ServingOptions,
    UploadId, UploadRecord, VersionRecord,
};

/// How the store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state changed under the caller, or does not allow the change; the text is for the caller.
    #[error("{0}")]
    Conflict(String),
    /// The rows that the caller named are not there.
    #[error("{0} is not there")]
    Missing(String),
    /// There is no room for the change; nothing was changed.
    #[error("the disk of the server is full: nothing can be changed until its operator frees some space")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store itself failed.
    #[error("the metadata store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads the wall clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Rows of the registry. Every method is one transaction; after it returns the change survives a crash.
#[async_trait]
pub trait RegistryStore: DataSetStore {
    /// All models, by name.
    async fn models(&self) -> Result<Vec<ModelRecord>, StoreError>;
    /// One model.
    async fn model(&self, name: &ModelName) -> Result<Option<ModelRecord>, StoreError>;
    /// Writes how a model is served; [`StoreError::Missing`] without such a model.
    async fn set_serving_options(&self, name: &ModelName, options: &ServingOptions)
    -> Result<(), StoreError>;

    /// All versions of a model, by number.
    async fn versions(&self, model: &ModelName) -> Result<Vec<VersionRecord>, StoreError>;
    /// One version.
    async fn version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<Option<VersionRecord>, StoreError>;
    /// The ready version of the model with this package digest, if there is one.
    async fn version_by_digest(
        &self,
        model: &ModelName,
        digest: &Digest,
    ) -> Result<Option<VersionNumber>, StoreError>;
    /// Writes a version with the next number of its model (making the model when it is new), marks its upload `ready`
    /// and, when the model has no `production` alias, points it at this version: all in one transaction.
    /// [`StoreError::Conflict`] unless the upload is proving. A version that a job made ends the job in the same
    /// transaction; [`StoreError::Conflict`] when the job is not held by this claim, or was called off.
    async fn insert_version(&self, version: &NewVersion) -> Result<VersionNumber, StoreError>;
    /// Archives a version; [`StoreError::Conflict`] while an alias points at it.
    async fn archive_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError>;

    /// All aliases of all models.
    async fn aliases(&self) -> Result<Vec<AliasRecord>, StoreError>;
    /// All aliases of one model, by name.
    async fn aliases_of(&self, model: &ModelName) -> Result<Vec<AliasRecord>, StoreError>;
    /// One alias.
    async fn alias(&self, model: &ModelName, alias: &AliasName) -> Result<Option<AliasRecord>, StoreError>;
    /// Points an alias at a ready version, writing the move beside it. [`StoreError::Missing`] without such a version,
    /// [`StoreError::Conflict`] when it is archived. A move to where it already points changes nothing and is not
    /// recorded. Gives where it pointed before.
    async fn move_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        to: VersionNumber,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Option<VersionNumber>, StoreError>;
    /// Points an alias back at a ready version, writing the move as a rollback, with the errors of
    /// [`Self::move_alias`]. [`StoreError::Conflict`] also when `newest` is not the sequence of its newest move any
    /// more: the caller decided by a history that has changed.
    async fn roll_back_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        to: VersionNumber,
        newest: u64,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError>;
    /// Removes an alias, writing the move; [`StoreError::Missing`] when there is none. The alias `production` cannot be
    /// removed ([`StoreError::Conflict`]).
    async fn remove_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError>;
    /// The moves of an alias, newest first, at most `limit`.
    async fn alias_moves(
        &self,
        model: &ModelName,
        alias: &AliasName,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError>;

    /// The moves of all aliases to and from a version, newest first, at most `limit`.
    async fn moves_of_version(
        &self,
        model: &ModelName,
        version: VersionNumber,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError>;

    /// Begins an upload.
    async fn insert_upload(&self, upload: &UploadRecord) -> Result<(), StoreError>;
    /// One upload.
    async fn upload(&self, id: UploadId) -> Result<Option<UploadRecord>, StoreError>;
    /// Uploads that are receiving or proving.
    async fn open_uploads(&self) -> Result<Vec<UploadRecord>, StoreError>;
    /// Adds a file to an upload that is receiving, or replaces the one at the same path. [`StoreError::Missing`] without
    /// such an upload, [`StoreError::Conflict`] in any other state; so do the following.
    async fn put_upload_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError>;
    /// Moves an upload from `receiving` to `proving`.
    async fn begin_proving(&self, id: UploadId) -> Result<(), StoreError>;
    /// Marks an upload that is proving `ready` because an identical version was there, and ends the job that made the
    /// files, as [`Self::insert_version`] does.
    async fn finish_upload(
        &self,
        id: UploadId,
        version: VersionNumber,
        completion: Option<&Completion>,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Marks an upload that is receiving or proving `failed` for this reason.
    async fn fail_upload(&self, id: UploadId, reason: &str) -> Result<(), StoreError>;
    /// Forgets uploads that were begun before this moment and are ready or failed; gives how many.
    async fn forget_uploads(&self, begun_before: Timestamp) -> Result<u64, StoreError>;

    /// Every digest that a version, an upload that is receiving or proving, a data set or a draft of one, or a job that is
    /// queued or running refers to.
    async fn referenced_digests(&self) -> Result<Vec<Digest>, StoreError>;
}
