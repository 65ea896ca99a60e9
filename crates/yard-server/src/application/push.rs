//! From files to a version.

use yard_access::{Permission, Principal, Visibility};
use yard_api::management::{CommitReply, NewUpload};
use yard_registry::{ByteStream, FileRecord, Provenance, RegistryError, UploadId, UploadRecord};
use yard_types::{Digest, ModelName, PackagePath, VersionNumber};

use super::{Application, ApplicationError, audit::registry_actor, error::member};

impl Application {
    /// Begins an upload.
    pub(crate) async fn begin_upload(
        &self,
        principal: &Principal,
        new: NewUpload,
    ) -> Result<UploadRecord, ApplicationError> {
        let NewUpload { model, note, parent, facts } = new;
        let model: ModelName = model.parse().map_err(|error| member("model", error))?;
        principal.require(Permission::PushModel, Some(&model))?;
        let parent = parent.map(VersionNumber::new).transpose().map_err(|error| member("parent", error))?;
        let provenance =
            Provenance { parent, note, origin: "push".to_owned(), facts: facts.into_iter().collect() };
        Ok(self.registry().begin_upload(model, registry_actor(principal), provenance).await?)
    }

    /// One upload of a model that the key may see.
    pub(crate) async fn upload(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<UploadRecord, ApplicationError> {
        let upload = self.registry().upload(id).await?;
        match principal.visibility(upload.model.as_str()) {
            Visibility::Visible => Ok(upload),
            Visibility::Hidden => Err(RegistryError::UnknownUpload(id).into()),
        }
    }

    /// Takes in a file of an upload.
    pub(crate) async fn put_file(
        &self,
        principal: &Principal,
        id: UploadId,
        path: PackagePath,
        content: ByteStream,
        expected: Option<Digest>,
    ) -> Result<FileRecord, ApplicationError> {
        self.upload(principal, id).await?;
        Ok(self.registry().put_file(id, path, content, expected).await?)
    }

    /// Proves an upload and makes it a version. What aliases point at is loaded before this returns; a version that cannot
    /// be loaded for now is a version all the same.
    pub(crate) async fn commit(
        &self,
        principal: &Principal,
        id: UploadId,
        new_version: bool,
    ) -> Result<CommitReply, ApplicationError> {
        let model = self.upload(principal, id).await?.model;
        let outcome = self.registry().commit(id, new_version).await?;
        self.refresh_names().await?;
        if let Err(error) = self.serving().refresh(&model).await {
            tracing::warn!(%model, %error, "a version that was pushed is not served");
        }
        if outcome.created {
            let detail = format!("version {}", outcome.version);
            self.record(principal, "model.push", model.as_str(), &detail).await?;
        }
        let aliases = self.registry().aliases_of(&model).await?.into_iter();
        let aliases = aliases.filter(|alias| alias.version == outcome.version);
        Ok(CommitReply {
            aliases: aliases.map(|alias| alias.alias.to_string()).collect(),
            model: model.to_string(),
            version: outcome.version.get(),
            created: outcome.created,
        })
    }

    /// Gives an upload up.
    pub(crate) async fn abort_upload(
        &self,
        principal: &Principal,
        id: UploadId,
    ) -> Result<(), ApplicationError> {
        self.upload(principal, id).await?;
        Ok(self.registry().abort_upload(id).await?)
    }
}
