//! Models, versions, aliases and serving options.

use reqwest::Method;
use yard_api::management::{
    ModelBody, ModelList, Passport, PromoteReply, RollbackReply, RollbackRequest, ServingOptionsBody,
    SetAlias, VersionBody, VersionList,
};
use yard_types::{AliasName, ErrorCode, ModelName, Selector, VersionNumber};

use crate::{Client, ClientError, Refusal};

impl Client {
    /// All models that the key may see, by name.
    pub async fn models(&self) -> Result<Vec<ModelBody>, ClientError> {
        let list: ModelList = self.get_json(self.url(["api", "v1", "models"])).await?;
        Ok(list.models)
    }

    /// One model.
    pub async fn model(&self, model: &ModelName) -> Result<ModelBody, ClientError> {
        self.get_json(self.url(["api", "v1", "models", model.as_str()])).await
    }

    /// The versions of a model, by number.
    pub async fn versions(&self, model: &ModelName) -> Result<Vec<VersionBody>, ClientError> {
        let url = self.url(["api", "v1", "models", model.as_str(), "versions"]);
        let list: VersionList = self.get_json(url).await?;
        Ok(list.versions)
    }

    /// One version in short.
    pub async fn version(
        &self,
        model: &ModelName,
        version: VersionNumber,
    ) -> Result<VersionBody, ClientError> {
        let number = version.to_string();
        self.get_json(self.url(["api", "v1", "models", model.as_str(), "versions", &number])).await
    }

    /// Everything that is known of a version.
    pub async fn passport(&self, model: &ModelName, version: VersionNumber) -> Result<Passport, ClientError> {
        let number = version.to_string();
        self.get_json(self.url(["api", "v1", "models", model.as_str(), "versions", &number, "passport"]))
            .await
    }

    /// The number of the version that a selector means now.
    pub async fn resolve(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<VersionNumber, ClientError> {
        let alias = match selector {
            Selector::Version(version) => return Ok(*version),
            Selector::Alias(alias) => alias.clone(),
            Selector::Production => AliasName::production(),
        };
        let known = self.model(model).await?;
        let Some(number) = known.aliases.get(alias.as_str()) else {
            return Err(missing_alias(&known, &alias).into());
        };
        VersionNumber::new(*number).map_err(|_| self.protocol("an alias points at version 0"))
    }

    /// Marks a version as no longer to be served. Refused while an alias points at it.
    pub async fn archive(&self, model: &ModelName, version: VersionNumber) -> Result<(), ClientError> {
        let number = version.to_string();
        let url = self.url(["api", "v1", "models", model.as_str(), "versions", &number, "archive"]);
        self.done(self.json_request(Method::POST, url, &serde_json::Map::new())?).await
    }

    /// Points an alias at a version.
    pub async fn set_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        version: VersionNumber,
    ) -> Result<PromoteReply, ClientError> {
        let url = self.url(["api", "v1", "models", model.as_str(), "aliases", alias.as_str()]);
        self.send_json(Method::PUT, url, &SetAlias { version: version.get() }).await
    }

    /// Removes an alias.
    pub async fn delete_alias(&self, model: &ModelName, alias: &AliasName) -> Result<(), ClientError> {
        let url = self.url(["api", "v1", "models", model.as_str(), "aliases", alias.as_str()]);
        self.done(self.request(Method::DELETE, url)).await
    }

    /// Undoes the last move of an alias; of `production` when none is named.
    pub async fn rollback(
        &self,
        model: &ModelName,
        alias: Option<&AliasName>,
    ) -> Result<RollbackReply, ClientError> {
        let url = self.url(["api", "v1", "models", model.as_str(), "rollback"]);
        let request = RollbackRequest { alias: alias.map(|alias| alias.as_str().to_owned()) };
        self.send_json(Method::POST, url, &request).await
    }

    /// How the versions of a model are served.
    pub async fn serving_options(&self, model: &ModelName) -> Result<ServingOptionsBody, ClientError> {
        self.get_json(self.url(["api", "v1", "models", model.as_str(), "serving"])).await
    }

    /// Sets how the versions of a model are served, all members at once.
    pub async fn set_serving_options(
        &self,
        model: &ModelName,
        options: &ServingOptionsBody,
    ) -> Result<ServingOptionsBody, ClientError> {
        let url = self.url(["api", "v1", "models", model.as_str(), "serving"]);
        self.send_json(Method::PUT, url, options).await
    }
}

/// The model is there, the alias is not: the server was not asked, so the words are ours.
fn missing_alias(model: &ModelBody, alias: &AliasName) -> Refusal {
    let known: Vec<&str> = model.aliases.keys().map(String::as_str).collect();
    let message = if known.is_empty() {
        format!("model '{}' has no alias '{alias}', nor any other", model.name)
    } else {
        format!("model '{}' has no alias '{alias}'; it has {}", model.name, known.join(", "))
    };
    Refusal {
        code: ErrorCode::NotFound,
        status: None,
        message,
        detail: None,
        param: None,
        request_id: None,
        retry_after_seconds: None,
    }
}
