//! What models and versions there are, as far as a key may see them.

use yard_access::{Principal, Visibility};
use yard_api::management::{AliasBody, GarbageBody, ModelBody, Passport, ServingOptionsBody, VersionBody};
use yard_registry::{AliasRecord, ModelRecord, VersionRecord};
use yard_types::{AliasName, ModelName, Selector, VersionNumber};

use super::{Application, ApplicationError, bodies};

/// Most moves of aliases that a passport shows.
const MAX_MOVES: u32 = 100;

impl Application {
    /// All models that the key may see, by name.
    pub(crate) async fn models(&self, principal: &Principal) -> Result<Vec<ModelBody>, ApplicationError> {
        let aliases = self.registry().aliases().await?;
        let mut bodies = Vec::new();
        for model in self.registry().models().await? {
            if principal.visibility(model.name.as_str()) == Visibility::Hidden {
                continue;
            }
            let own: Vec<AliasRecord> =
                aliases.iter().filter(|alias| alias.model == model.name).cloned().collect();
            bodies.push(self.model_body(model, &own).await?);
        }
        Ok(bodies)
    }

    /// One model.
    pub(crate) async fn model(&self, name: &ModelName) -> Result<ModelBody, ApplicationError> {
        let model = self.registry().model(name).await?;
        let aliases = self.registry().aliases_of(name).await?;
        self.model_body(model, &aliases).await
    }

    async fn model_body(
        &self,
        model: ModelRecord,
        aliases: &[AliasRecord],
    ) -> Result<ModelBody, ApplicationError> {
        let versions = self.registry().versions(&model.name).await?;
        Ok(bodies::model(&model, &versions, aliases))
    }

    /// All versions of a model.
    pub(crate) async fn versions(&self, model: &ModelName) -> Result<Vec<VersionBody>, ApplicationError> {
        let aliases = self.registry().aliases_of(model).await?;
        let versions = self.registry().versions(model).await?;
        Ok(versions.iter().map(|version| bodies::version(version, &aliases)).collect())
    }

    /// The record that a path means: a number, also of an archived version, or an alias.
    pub(crate) async fn version_record(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<VersionRecord, ApplicationError> {
        Ok(match selector {
            Selector::Version(number) => self.registry().version(model, *number).await?,
            selector => self.registry().resolve(model, selector).await?,
        })
    }

    /// One version in short.
    pub(crate) async fn version_body(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<VersionBody, ApplicationError> {
        let version = self.version_record(model, selector).await?;
        let aliases = self.registry().aliases_of(model).await?;
        Ok(bodies::version(&version, &aliases))
    }

    /// Everything that is known of a version.
    pub(crate) async fn passport(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<Passport, ApplicationError> {
        let version = self.version_record(model, selector).await?;
        let aliases = self.registry().aliases_of(model).await?;
        let moves = self.registry().moves_of_version(model, version.number, MAX_MOVES).await?;
        Ok(bodies::passport(&version, &aliases, &moves))
    }

    /// The aliases of a model.
    pub(crate) async fn aliases(&self, model: &ModelName) -> Result<Vec<AliasBody>, ApplicationError> {
        let aliases = self.registry().aliases_of(model).await?;
        Ok(aliases.iter().map(bodies::alias).collect())
    }

    /// How a model is served.
    pub(crate) async fn serving_options(
        &self,
        model: &ModelName,
    ) -> Result<ServingOptionsBody, ApplicationError> {
        Ok(bodies::serving_options(&self.registry().model(model).await?.serving))
    }

    /// Changes how a model is served; what the body leaves out goes back to the server's default.
    pub(crate) async fn set_serving_options(
        &self,
        principal: &Principal,
        model: &ModelName,
        body: &ServingOptionsBody,
    ) -> Result<ServingOptionsBody, ApplicationError> {
        let options = bodies::read_serving_options(body)?;
        self.registry().set_serving_options(model, &options).await?;
        self.serving().refresh(model).await?;
        self.record(principal, "model.configure", model.as_str(), &format!("{body:?}")).await?;
        Ok(bodies::serving_options(&options))
    }

    /// Deletes contents that nothing points at.
    pub(crate) async fn collect_garbage(
        &self,
        principal: &Principal,
    ) -> Result<GarbageBody, ApplicationError> {
        let report = self.registry().gc().await?;
        let detail = format!("{} contents of {} bytes deleted", report.deleted, report.bytes);
        self.record(principal, "store.gc", "artifacts", &detail).await?;
        Ok(GarbageBody {
            deleted: report.deleted,
            bytes: report.bytes,
            temporary: report.temporary,
            kept: report.kept,
        })
    }

    /// Loads what the aliases of a model need.
    pub(crate) async fn load(
        &self,
        principal: &Principal,
        model: &ModelName,
    ) -> Result<(), ApplicationError> {
        self.registry().model(model).await?;
        self.serving().load_model(model).await?;
        self.record(principal, "model.load", model.as_str(), "").await
    }

    /// Takes a model out of memory until it is loaded again.
    pub(crate) async fn unload(
        &self,
        principal: &Principal,
        model: &ModelName,
    ) -> Result<(), ApplicationError> {
        self.registry().model(model).await?;
        self.serving().unload_model(model).await?;
        self.record(principal, "model.unload", model.as_str(), "").await
    }
}

/// A number, as paths and bodies write it.
pub(crate) fn version_number(number: u32) -> Result<VersionNumber, ApplicationError> {
    VersionNumber::new(number).map_err(|error| super::error::member("version", error))
}

/// An alias, as paths and bodies write it.
pub(crate) fn alias_name(text: &str) -> Result<AliasName, ApplicationError> {
    text.parse().map_err(|error| super::error::member("alias", error))
}
