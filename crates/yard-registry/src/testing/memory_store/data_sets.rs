//! Data sets in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use yard_types::{Digest, ModelName, PackagePath, VersionNumber};

use super::MemoryRegistryStore;
use crate::{
    DataSetDraft, DataSetRecord, DataSetStore, FileRecord, NewDataSet, StoreError, UploadId, package_digest,
};

#[derive(Debug, Default)]
pub(super) struct DataSetRows {
    versions: BTreeMap<(ModelName, VersionNumber), (DataSetRecord, Vec<FileRecord>)>,
    drafts: BTreeMap<UploadId, (DataSetDraft, BTreeMap<PackagePath, FileRecord>)>,
    /// The last number of each data set, whether or not its version is still there.
    last: BTreeMap<ModelName, VersionNumber>,
}

impl DataSetRows {
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        let of_versions = self.versions.values().flat_map(|(_, files)| files);
        let of_drafts = self.drafts.values().flat_map(|(_, files)| files.values());
        of_versions.chain(of_drafts).map(|file| file.digest)
    }

    fn of<'rows>(
        &'rows self,
        name: &'rows ModelName,
    ) -> impl DoubleEndedIterator<Item = &'rows DataSetRecord> {
        self.versions.values().map(|(record, _)| record).filter(move |record| record.name == *name)
    }
}

fn missing(id: UploadId) -> StoreError {
    StoreError::Missing(format!("draft {id}"))
}

#[async_trait]
impl DataSetStore for MemoryRegistryStore {
    async fn data_sets(&self) -> Result<Vec<DataSetRecord>, StoreError> {
        let rows = self.rows();
        let newest: BTreeMap<&ModelName, &DataSetRecord> =
            rows.data_sets.versions.values().map(|(record, _)| (&record.name, record)).collect();
        Ok(newest.into_values().cloned().collect())
    }

    async fn data_set_versions(&self, name: &ModelName) -> Result<Vec<DataSetRecord>, StoreError> {
        Ok(self.rows().data_sets.of(name).cloned().collect())
    }

    async fn data_set(
        &self,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<Option<DataSetRecord>, StoreError> {
        let rows = self.rows();
        let wanted = |record: &&DataSetRecord| number.is_none_or(|number| record.number == number);
        Ok(rows.data_sets.of(name).rfind(wanted).cloned())
    }

    async fn data_set_files(
        &self,
        name: &ModelName,
        number: VersionNumber,
    ) -> Result<Vec<FileRecord>, StoreError> {
        let rows = self.rows();
        let found = rows.data_sets.versions.get(&(name.clone(), number));
        Ok(found.map(|(_, files)| files.clone()).unwrap_or_default())
    }

    async fn remove_data_set(&self, name: &ModelName, number: VersionNumber) -> Result<(), StoreError> {
        let removed = self.rows().data_sets.versions.remove(&(name.clone(), number));
        removed.map(drop).ok_or_else(|| StoreError::Missing(format!("data set {name} version {number}")))
    }

    async fn insert_draft(&self, draft: &DataSetDraft) -> Result<(), StoreError> {
        self.rows().data_sets.drafts.insert(draft.id, (draft.clone(), BTreeMap::new()));
        Ok(())
    }

    async fn drafts(&self) -> Result<Vec<DataSetDraft>, StoreError> {
        let mut drafts: Vec<DataSetDraft> =
            self.rows().data_sets.drafts.values().map(|(draft, _)| draft.clone()).collect();
        drafts.sort_by_key(|draft| (draft.created_at, draft.id));
        Ok(drafts)
    }

    async fn draft(&self, id: UploadId) -> Result<Option<DataSetDraft>, StoreError> {
        Ok(self.rows().data_sets.drafts.get(&id).map(|(draft, _)| draft.clone()))
    }

    async fn draft_files(&self, id: UploadId) -> Result<Vec<FileRecord>, StoreError> {
        let rows = self.rows();
        let found = rows.data_sets.drafts.get(&id);
        Ok(found.map(|(_, files)| files.values().cloned().collect()).unwrap_or_default())
    }

    async fn put_draft_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let (draft, files) = rows.data_sets.drafts.get_mut(&id).ok_or_else(|| missing(id))?;
        files.insert(file.path.clone(), file.clone());
        draft.files = files.len() as u64;
        draft.bytes = files.values().map(|file| file.size).sum();
        Ok(())
    }

    async fn remove_draft(&self, id: UploadId) -> Result<(), StoreError> {
        self.rows().data_sets.drafts.remove(&id).map(drop).ok_or_else(|| missing(id))
    }

    async fn insert_data_set(&self, new: &NewDataSet) -> Result<VersionNumber, StoreError> {
        let mut rows = self.rows();
        let (draft, files) = rows.data_sets.drafts.get(&new.draft).ok_or_else(|| missing(new.draft))?;
        let files: Vec<FileRecord> = files.values().cloned().collect();
        if package_digest(&files) != new.digest {
            return Err(StoreError::Conflict("a file of the data set came in meanwhile".to_owned()));
        }
        let last = rows.data_sets.last.get(&draft.name).copied();
        let number = last.map_or(Some(VersionNumber::FIRST), VersionNumber::next).unwrap();
        let record = DataSetRecord {
            name: draft.name.clone(),
            number,
            created_at: new.created_at,
            created_by: draft.created_by.clone(),
            digest: new.digest,
            files: draft.files,
            bytes: draft.bytes,
            schema: new.schema.clone(),
            statistics: new.statistics.clone(),
        };
        rows.data_sets.last.insert(record.name.clone(), number);
        rows.data_sets.versions.insert((record.name.clone(), number), (record, files));
        rows.data_sets.drafts.remove(&new.draft);
        Ok(number)
    }
}
