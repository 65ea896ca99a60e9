//! `GET /v1/models` and `GET /v1/models/{id}`.

use http::StatusCode;
use yard_access::Permission;
use yard_api::openai::{ModelList, ModelObject};
use yard_registry::{ModelRecord, VersionRecord};
use yard_types::Selector;

use super::target;
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    gate,
    http::{Answer, json},
};

/// Who made the models is not known; who runs them is.
const OWNER: &str = "modelyard";

/// The language models and encoders that the key may use, by name.
pub(crate) async fn list(call: &OwnedCall) -> Result<Answer, Failure> {
    let registry = call.state.application.registry();
    let mut models = Vec::new();
    for model in registry.models().await? {
        if !call.principal.may(Permission::Predict, Some(model.name.as_str())) {
            continue;
        }
        // One that has no `production` cannot be asked by its name alone.
        let version = registry.resolve(&model.name, &Selector::Production).await;
        if version.is_ok_and(|version| serves_texts(&version)) {
            models.push(object(model.name.as_str(), &model));
        }
    }
    json(StatusCode::OK, &ModelList::new(models))
}

/// One of them. It is not loaded for that.
pub(crate) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    let id = call.parameter("id").to_owned();
    let (name, selector) = target::named(&id)?;
    gate::allow(&call.principal, Permission::Predict, Some(name)).map_err(target::about_the_model)?;
    let model = name.parse().map_err(|_| target::unknown(&id))?;
    let registry = call.state.application.registry();
    let version = registry.resolve(&model, &selector).await;
    let version = version.map_err(|error| target::about_the_model(error.into()))?;
    if !serves_texts(&version) {
        return Err(target::unknown(&id));
    }
    json(StatusCode::OK, &object(&id, &registry.model(&model).await?))
}

/// Whether it is a language model or an encoder.
fn serves_texts(version: &VersionRecord) -> bool {
    let proof = &version.proof;
    let has_file = |path: &str| version.files.iter().any(|file| file.path.as_str() == path);
    proof.language.is_some() || yard_encoders::is_encoder(&proof.signature, &proof.main, has_file)
}

fn object(id: &str, model: &ModelRecord) -> ModelObject {
    let created = u64::try_from(model.created_at.0 / 1_000).unwrap_or_default();
    ModelObject::new(id, created, OWNER)
}
