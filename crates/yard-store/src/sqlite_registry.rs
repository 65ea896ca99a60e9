//! The rows of the registry, in SQLite.

mod aliases;
mod data_sets;
mod models;
mod stored;
mod uploads;
mod versions;

use async_trait::async_trait;
use yard_jobs::Completion;
use yard_registry::{
    Actor, AliasMove, AliasRecord, FileRecord, ModelRecord, NewVersion, RegistryStore, ServingOptions,
    StoreError, UploadId, UploadRecord, VersionRecord,
};
use yard_types::{AliasName, Digest, ModelName, Timestamp, VersionNumber};

use crate::Database;

/// Models, versions, aliases and uploads in a [`Database`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteRegistryStore {
    database: Database,
}

impl SqliteRegistryStore {
    /// Keeps the rows in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl RegistryStore for SqliteRegistryStore {
    async fn models(&self) -> Result<Vec<ModelRecord>, StoreError> {
        models::all(&self.database).await
    }

    async fn model(&self, name: &ModelName) -> Result<Option<ModelRecord>, StoreError> {
        models::one(&self.database, name).await
    }

    async fn set_serving_options(
        &self,
        name: &ModelName,
        options: &ServingOptions,
    ) -> Result<(), StoreError> {
        models::set_serving_options(&self.database, name, options).await
    }

    async fn versions(&self, model: &ModelName) -> Result<Vec<VersionRecord>, StoreError> {
        versions::all(&self.database, model).await
    }

    async fn version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<Option<VersionRecord>, StoreError> {
        versions::one(&self.database, model, number).await
    }

    async fn version_by_digest(
        &self,
        model: &ModelName,
        digest: &Digest,
    ) -> Result<Option<VersionNumber>, StoreError> {
        versions::by_digest(&self.database, model, digest).await
    }

    async fn insert_version(&self, version: &NewVersion) -> Result<VersionNumber, StoreError> {
        versions::insert(&self.database, version).await
    }

    async fn archive_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError> {
        versions::archive(&self.database, model, number, at, by).await
    }

    async fn aliases(&self) -> Result<Vec<AliasRecord>, StoreError> {
        aliases::all(&self.database).await
    }

    async fn aliases_of(&self, model: &ModelName) -> Result<Vec<AliasRecord>, StoreError> {
        aliases::of_model(&self.database, model).await
    }

    async fn alias(&self, model: &ModelName, alias: &AliasName) -> Result<Option<AliasRecord>, StoreError> {
        aliases::one(&self.database, model, alias).await
    }

    async fn move_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        to: VersionNumber,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Option<VersionNumber>, StoreError> {
        aliases::promote(&self.database, model, alias, to, at, by).await
    }

    async fn roll_back_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        to: VersionNumber,
        newest: u64,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError> {
        aliases::roll_back(&self.database, model, alias, to, newest, at, by).await
    }

    async fn remove_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError> {
        aliases::remove(&self.database, model, alias, at, by).await
    }

    async fn alias_moves(
        &self,
        model: &ModelName,
        alias: &AliasName,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError> {
        aliases::moves(&self.database, model, alias, limit).await
    }

    async fn moves_of_version(
        &self,
        model: &ModelName,
        version: VersionNumber,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError> {
        aliases::moves_of_version(&self.database, model, version, limit).await
    }

    async fn insert_upload(&self, upload: &UploadRecord) -> Result<(), StoreError> {
        uploads::insert(&self.database, upload).await
    }

    async fn upload(&self, id: UploadId) -> Result<Option<UploadRecord>, StoreError> {
        uploads::one(&self.database, id).await
    }

    async fn open_uploads(&self) -> Result<Vec<UploadRecord>, StoreError> {
        uploads::open(&self.database).await
    }

    async fn put_upload_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError> {
        uploads::put_file(&self.database, id, file).await
    }

    async fn begin_proving(&self, id: UploadId) -> Result<(), StoreError> {
        uploads::begin_proving(&self.database, id).await
    }

    async fn finish_upload(
        &self,
        id: UploadId,
        version: VersionNumber,
        completion: Option<&Completion>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        uploads::finish(&self.database, id, version, completion, at).await
    }

    async fn fail_upload(&self, id: UploadId, reason: &str) -> Result<(), StoreError> {
        uploads::fail(&self.database, id, reason).await
    }

    async fn forget_uploads(&self, begun_before: Timestamp) -> Result<u64, StoreError> {
        uploads::forget(&self.database, begun_before).await
    }

    async fn referenced_digests(&self) -> Result<Vec<Digest>, StoreError> {
        uploads::referenced_digests(&self.database).await
    }
}
