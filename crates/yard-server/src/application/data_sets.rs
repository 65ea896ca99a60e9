//! Data sets, as far as a key may see them: the names that its models may have are those of its data sets as well.

use serde_json::value::RawValue;
use yard_access::{Permission, Principal, Visibility};
use yard_api::management::{CommitDataSetBody, CommitDataSetReply, DataSetBody, NewDataSetBody};
use yard_registry::{ByteStream, DataSetDraft, DataSetRecord, FileRecord, RegistryError, UploadId};
use yard_types::{Digest, ModelName, PackagePath, VersionNumber};

use super::{Application, ApplicationError, audit::registry_actor, bodies, error::member};

/// Most files that are listed with a version.
const MAX_LISTED_FILES: usize = 1000;

impl Application {
    /// The newest version of every data set that the key may see.
    pub(crate) async fn data_sets(
        &self,
        principal: &Principal,
    ) -> Result<Vec<DataSetBody>, ApplicationError> {
        let records = self.registry().data_sets().await?;
        let visible = records.iter().filter(|record| sees(principal, &record.name));
        Ok(visible.map(bodies::data_set_in_short).collect())
    }

    /// All versions of a data set.
    pub(crate) async fn data_set_versions(
        &self,
        principal: &Principal,
        name: &ModelName,
    ) -> Result<Vec<DataSetBody>, ApplicationError> {
        if !sees(principal, name) {
            return Err(RegistryError::UnknownDataSet(name.clone()).into());
        }
        let records = self.registry().data_set_versions(name).await?;
        Ok(records.iter().map(bodies::data_set_in_short).collect())
    }

    /// One version, or the newest.
    pub(crate) async fn data_set(
        &self,
        principal: &Principal,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<DataSetBody, ApplicationError> {
        let record = self.visible_data_set(principal, name, number).await?;
        let mut files = self.registry().data_set_files(&record).await?;
        files.truncate(MAX_LISTED_FILES);
        Ok(bodies::data_set(&record, files.iter().map(bodies::file).collect()))
    }

    pub(super) async fn visible_data_set(
        &self,
        principal: &Principal,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<DataSetRecord, ApplicationError> {
        if !sees(principal, name) {
            return Err(RegistryError::UnknownDataSet(name.clone()).into());
        }
        Ok(self.registry().data_set(name, number).await?)
    }

    /// Deletes a version that no job reads which is queued or running. Versions of models that were trained on it stay: they
    /// name it and its digest, which is what is known of it from then on.
    pub(crate) async fn remove_data_set(
        &self,
        principal: &Principal,
        name: &ModelName,
        version: VersionNumber,
    ) -> Result<(), ApplicationError> {
        self.visible_data_set(principal, name, Some(version)).await?;
        principal.require(Permission::RemoveDataSets, Some(name))?;
        // No job can name it between the look at the jobs and the end of the version.
        let _nobody_submits = self.data_set_lock().write().await;
        let jobs = self.jobs_that_read(name, version).await?;
        if !jobs.is_empty() {
            return Err(ApplicationError::DataSetInUse { name: name.clone(), version, jobs });
        }
        self.registry().remove_data_set(name, version).await?;
        self.record(principal, "dataset.remove", name.as_str(), &format!("version {version}")).await
    }

    /// Begins a version of a data set.
    pub(crate) async fn begin_data_set(
        &self,
        principal: &Principal,
        new: &NewDataSetBody,
    ) -> Result<DataSetDraft, ApplicationError> {
        let name: ModelName = new.name.parse().map_err(|error| member("name", error))?;
        principal.require(Permission::AddDataSets, Some(&name))?;
        Ok(self.registry().begin_data_set(name, registry_actor(principal)).await?)
    }

    /// One upload of a data set that the key may see.
    pub(crate) async fn data_set_draft(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<DataSetDraft, ApplicationError> {
        let draft = self.registry().data_set_draft(id).await?;
        if sees(principal, &draft.name) { Ok(draft) } else { Err(RegistryError::UnknownUpload(id).into()) }
    }

    /// Takes in a file of a data set.
    pub(crate) async fn put_data_file(
        &self,
        principal: &Principal,
        id: UploadId,
        path: PackagePath,
        content: ByteStream,
        expected: Option<Digest>,
    ) -> Result<FileRecord, ApplicationError> {
        self.data_set_draft(principal, id).await?;
        Ok(self.registry().put_data_file(id, path, content, expected).await?)
    }

    /// Makes an upload the next version of its data set.
    pub(crate) async fn commit_data_set(
        &self,
        principal: &Principal,
        id: UploadId,
        body: CommitDataSetBody,
    ) -> Result<CommitDataSetReply, ApplicationError> {
        let name = self.data_set_draft(principal, id).await?.name;
        let text = |json: Option<Box<RawValue>>| {
            json.map_or_else(|| "null".to_owned(), |json| json.get().to_owned())
        };
        let outcome = self.registry().commit_data_set(id, text(body.schema), text(body.statistics)).await?;
        if outcome.created {
            let detail = format!("version {}", outcome.version);
            self.record(principal, "dataset.add", name.as_str(), &detail).await?;
        }
        Ok(CommitDataSetReply {
            name: name.to_string(),
            version: outcome.version.get(),
            created: outcome.created,
        })
    }

    /// Gives an upload of a data set up.
    pub(crate) async fn abort_data_set(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(), ApplicationError> {
        self.data_set_draft(principal, id).await?;
        Ok(self.registry().abort_data_set(id).await?)
    }
}

fn sees(principal: &Principal, name: &ModelName) -> bool {
    principal.visibility(name.as_str()) == Visibility::Visible
}
