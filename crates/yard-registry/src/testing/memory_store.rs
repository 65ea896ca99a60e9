//! Rows in memory.

mod data_sets;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use yard_jobs::{Completion, JobStoreError, testing::MemoryJobStore};
use yard_types::{AliasName, Digest, ModelName, Timestamp, UploadState, VersionNumber, VersionState};

use crate::{
    Actor, AliasMove, AliasRecord, FileRecord, ModelRecord, MoveKind, NewVersion, RegistryStore,
    ServingOptions, StoreError, UploadId, UploadRecord, VersionRecord,
};

/// A store that forgets everything when it is dropped. Other crates test against it; it passes the store suite.
#[derive(Debug, Default)]
pub struct MemoryRegistryStore {
    rows: Mutex<Rows>,
    /// Where the jobs are whose results become versions.
    jobs: Option<Arc<MemoryJobStore>>,
}

#[derive(Debug, Default)]
struct Rows {
    models: BTreeMap<ModelName, ModelRecord>,
    versions: BTreeMap<(ModelName, VersionNumber), VersionRecord>,
    aliases: BTreeMap<(ModelName, AliasName), AliasRecord>,
    moves: Vec<AliasMove>,
    uploads: BTreeMap<UploadId, UploadRecord>,
    data_sets: data_sets::DataSetRows,
}

impl Rows {
    fn require_ready(&self, model: &ModelName, number: VersionNumber) -> Result<(), StoreError> {
        match self.versions.get(&(model.clone(), number)).map(|version| version.state) {
            None => Err(StoreError::Missing(format!("version {number} of model '{model}'"))),
            Some(VersionState::Archived) => {
                Err(StoreError::Conflict(format!("version {number} is archived")))
            }
            Some(VersionState::Ready) => Ok(()),
        }
    }

    fn target(&self, model: &ModelName, alias: &AliasName) -> Option<VersionNumber> {
        self.aliases.get(&(model.clone(), alias.clone())).map(|record| record.version)
    }

    fn moves_of<'rows>(
        &'rows self,
        model: &'rows ModelName,
        alias: &'rows AliasName,
    ) -> impl DoubleEndedIterator<Item = &'rows AliasMove> {
        self.moves.iter().filter(move |step| step.model == *model && step.alias == *alias)
    }

    fn apply(
        &mut self,
        (model, alias): (&ModelName, &AliasName),
        kind: MoveKind,
        to: Option<VersionNumber>,
        at: Timestamp,
        by: &Actor,
    ) -> Option<VersionNumber> {
        let (model, alias) = (model.clone(), alias.clone());
        let key = (model.clone(), alias.clone());
        let before = match to {
            Some(version) => {
                let record =
                    AliasRecord { model: model.clone(), alias: alias.clone(), version, moved_at: at };
                self.aliases.insert(key, record)
            }
            None => self.aliases.remove(&key),
        };
        let from = before.map(|record| record.version);
        let sequence = self.moves.len() as u64 + 1;
        self.moves.push(AliasMove { sequence, kind, model, alias, from, to, at, by: by.clone() });
        from
    }

    fn upload_in(&mut self, id: UploadId, states: &[UploadState]) -> Result<&mut UploadRecord, StoreError> {
        let upload = self.uploads.get_mut(&id).ok_or_else(|| StoreError::Missing(format!("upload {id}")))?;
        if !states.contains(&upload.state) {
            return Err(StoreError::Conflict(format!("upload {id} is {}", upload.state.as_str())));
        }
        Ok(upload)
    }
}

impl MemoryRegistryStore {
    /// A store whose versions end the jobs of that store.
    pub fn with_jobs(jobs: Arc<MemoryJobStore>) -> Self {
        Self { rows: Mutex::default(), jobs: Some(jobs) }
    }

    /// Ends a job; nothing else may fail after it, so that all is written or nothing.
    fn complete(
        &self,
        completion: Option<&Completion>,
        version: VersionNumber,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(completion) = completion else { return Ok(()) };
        let missing = || StoreError::Missing(format!("job {}", completion.claim.job));
        let jobs = self.jobs.as_ref().ok_or_else(missing)?;
        jobs.succeed(completion, version, at).map(drop).map_err(|error| match error {
            JobStoreError::Conflict(text) => StoreError::Conflict(text),
            JobStoreError::Missing(what) => StoreError::Missing(what),
            JobStoreError::Full(source) => StoreError::Full(source),
            JobStoreError::Backend(source) => StoreError::Backend(source),
        })
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }
}

#[async_trait]
impl RegistryStore for MemoryRegistryStore {
    async fn models(&self) -> Result<Vec<ModelRecord>, StoreError> {
        Ok(self.rows().models.values().cloned().collect())
    }

    async fn model(&self, name: &ModelName) -> Result<Option<ModelRecord>, StoreError> {
        Ok(self.rows().models.get(name).cloned())
    }

    async fn set_serving_options(
        &self,
        name: &ModelName,
        options: &ServingOptions,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let model =
            rows.models.get_mut(name).ok_or_else(|| StoreError::Missing(format!("model '{name}'")))?;
        model.serving = options.clone();
        Ok(())
    }

    async fn versions(&self, model: &ModelName) -> Result<Vec<VersionRecord>, StoreError> {
        Ok(self.rows().versions.values().filter(|version| version.model == *model).cloned().collect())
    }

    async fn version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<Option<VersionRecord>, StoreError> {
        Ok(self.rows().versions.get(&(model.clone(), number)).cloned())
    }

    async fn version_by_digest(
        &self,
        model: &ModelName,
        digest: &Digest,
    ) -> Result<Option<VersionNumber>, StoreError> {
        let rows = self.rows();
        let same = |version: &&VersionRecord| {
            version.model == *model && version.digest == *digest && version.state == VersionState::Ready
        };
        Ok(rows.versions.values().rev().find(same).map(|version| version.number))
    }

    async fn insert_version(&self, new: &NewVersion) -> Result<VersionNumber, StoreError> {
        let mut rows = self.rows();
        rows.upload_in(new.upload, &[UploadState::Proving])?;
        // No version is ever deleted, so the number after the last one has never been used.
        let last =
            rows.versions.values().filter(|version| version.model == new.model).map(|v| v.number).max();
        let number = last.map_or(Some(VersionNumber::FIRST), VersionNumber::next).unwrap();
        self.complete(new.completion.as_ref(), number, new.created_at)?;
        let model = ModelRecord {
            name: new.model.clone(),
            created_at: new.created_at,
            serving: ServingOptions::default(),
        };
        rows.models.entry(new.model.clone()).or_insert(model);
        let version = VersionRecord {
            model: new.model.clone(),
            number,
            state: VersionState::Ready,
            created_at: new.created_at,
            created_by: new.created_by.clone(),
            digest: new.digest,
            files: new.files.clone(),
            proof: new.proof.clone(),
            provenance: new.provenance.clone(),
        };
        rows.versions.insert((new.model.clone(), number), version);
        let upload = rows.upload_in(new.upload, &[UploadState::Proving])?;
        upload.state = UploadState::Ready;
        upload.version = Some(number);
        let production = AliasName::production();
        if rows.target(&new.model, &production).is_none() {
            let place = (&new.model, &production);
            rows.apply(place, MoveKind::Promotion, Some(number), new.created_at, &new.created_by);
        }
        Ok(number)
    }

    async fn archive_version(
        &self,
        model: &ModelName,
        number: VersionNumber,
        _at: Timestamp,
        _by: &Actor,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows();
        if rows.aliases.values().any(|alias| alias.model == *model && alias.version == number) {
            return Err(StoreError::Conflict(format!("an alias points at version {number}")));
        }
        let version = rows.versions.get_mut(&(model.clone(), number));
        let version = version.ok_or_else(|| StoreError::Missing(format!("version {number}")))?;
        version.state = VersionState::Archived;
        Ok(())
    }

    async fn aliases(&self) -> Result<Vec<AliasRecord>, StoreError> {
        Ok(self.rows().aliases.values().cloned().collect())
    }

    async fn aliases_of(&self, model: &ModelName) -> Result<Vec<AliasRecord>, StoreError> {
        Ok(self.rows().aliases.values().filter(|alias| alias.model == *model).cloned().collect())
    }

    async fn alias(&self, model: &ModelName, alias: &AliasName) -> Result<Option<AliasRecord>, StoreError> {
        Ok(self.rows().aliases.get(&(model.clone(), alias.clone())).cloned())
    }

    async fn move_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        to: VersionNumber,
        at: Timestamp,
        by: &Actor,
    ) -> Result<Option<VersionNumber>, StoreError> {
        let mut rows = self.rows();
        rows.require_ready(model, to)?;
        if rows.target(model, alias) == Some(to) {
            return Ok(Some(to));
        }
        Ok(rows.apply((model, alias), MoveKind::Promotion, Some(to), at, by))
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
        let mut rows = self.rows();
        rows.require_ready(model, to)?;
        if rows.target(model, alias).is_none() {
            return Err(StoreError::Missing(format!("alias '{alias}'")));
        }
        if rows.moves_of(model, alias).next_back().map(|step| step.sequence) != Some(newest) {
            return Err(StoreError::Conflict(format!("alias '{alias}' was moved meanwhile")));
        }
        rows.apply((model, alias), MoveKind::Rollback, Some(to), at, by);
        Ok(())
    }

    async fn remove_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        at: Timestamp,
        by: &Actor,
    ) -> Result<(), StoreError> {
        if *alias == AliasName::production() {
            return Err(StoreError::Conflict("alias 'production' cannot be removed".to_owned()));
        }
        let mut rows = self.rows();
        if rows.target(model, alias).is_none() {
            return Err(StoreError::Missing(format!("alias '{alias}'")));
        }
        rows.apply((model, alias), MoveKind::Removal, None, at, by);
        Ok(())
    }

    async fn alias_moves(
        &self,
        model: &ModelName,
        alias: &AliasName,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError> {
        Ok(self.rows().moves_of(model, alias).rev().take(limit as usize).cloned().collect())
    }

    async fn moves_of_version(
        &self,
        model: &ModelName,
        version: VersionNumber,
        limit: u32,
    ) -> Result<Vec<AliasMove>, StoreError> {
        let rows = self.rows();
        let of_version = |step: &&AliasMove| {
            step.model == *model && (step.from == Some(version) || step.to == Some(version))
        };
        Ok(rows.moves.iter().rev().filter(of_version).take(limit as usize).cloned().collect())
    }

    async fn insert_upload(&self, upload: &UploadRecord) -> Result<(), StoreError> {
        self.rows().uploads.insert(upload.id, upload.clone());
        Ok(())
    }

    async fn upload(&self, id: UploadId) -> Result<Option<UploadRecord>, StoreError> {
        Ok(self.rows().uploads.get(&id).cloned())
    }

    async fn open_uploads(&self) -> Result<Vec<UploadRecord>, StoreError> {
        let open =
            |upload: &&UploadRecord| matches!(upload.state, UploadState::Receiving | UploadState::Proving);
        let mut found: Vec<_> = self.rows().uploads.values().filter(open).cloned().collect();
        found.sort_by_key(|upload| (upload.created_at, upload.id));
        Ok(found)
    }

    async fn put_upload_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let upload = rows.upload_in(id, &[UploadState::Receiving])?;
        upload.files.retain(|other| other.path != file.path);
        upload.files.push(file.clone());
        upload.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(())
    }

    async fn begin_proving(&self, id: UploadId) -> Result<(), StoreError> {
        self.rows().upload_in(id, &[UploadState::Receiving])?.state = UploadState::Proving;
        Ok(())
    }

    async fn finish_upload(
        &self,
        id: UploadId,
        version: VersionNumber,
        completion: Option<&Completion>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows();
        rows.upload_in(id, &[UploadState::Proving])?;
        self.complete(completion, version, at)?;
        let upload = rows.upload_in(id, &[UploadState::Proving])?;
        upload.state = UploadState::Ready;
        upload.version = Some(version);
        Ok(())
    }

    async fn fail_upload(&self, id: UploadId, reason: &str) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let upload = rows.upload_in(id, &[UploadState::Receiving, UploadState::Proving])?;
        upload.state = UploadState::Failed;
        upload.failure = Some(reason.to_owned());
        Ok(())
    }

    async fn forget_uploads(&self, begun_before: Timestamp) -> Result<u64, StoreError> {
        let mut rows = self.rows();
        let before = rows.uploads.len();
        rows.uploads.retain(|_, upload| {
            matches!(upload.state, UploadState::Receiving | UploadState::Proving)
                || upload.created_at >= begun_before
        });
        Ok((before - rows.uploads.len()) as u64)
    }

    async fn referenced_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let rows = self.rows();
        let of_versions = rows.versions.values().flat_map(|version| &version.files);
        let open =
            |upload: &&UploadRecord| matches!(upload.state, UploadState::Receiving | UploadState::Proving);
        let of_uploads = rows.uploads.values().filter(open).flat_map(|upload| &upload.files);
        let of_jobs = self.jobs.iter().flat_map(|jobs| jobs.inputs_in_use());
        let digests: BTreeSet<Digest> = of_versions
            .chain(of_uploads)
            .map(|file| file.digest)
            .chain(of_jobs)
            .chain(rows.data_sets.digests())
            .collect();
        Ok(digests.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::registry_store_suite!(async {
        (Arc::new(MemoryRegistryStore::default()) as Arc<dyn RegistryStore>, ())
    });
}
