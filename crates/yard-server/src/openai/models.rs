//! `GET /v1/models` and `GET /v1/models/{id}`.

use http::StatusCode;
use yard_access::Permission;
use yard_api::openai::{ModelList, ModelObject};
use yard_registry::ModelRecord;
use yard_types::Selector;

use super::target::Target;
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, json},
};

/// Who made the models is not known; who runs them is.
const OWNER: &str = "modelyard";

/// The language models that the key may use, by name.
pub(crate) async fn list(call: &OwnedCall) -> Result<Answer, Failure> {
    let registry = call.state.application.registry();
    let mut models = Vec::new();
    for model in registry.models().await? {
        if !call.principal.may(Permission::Predict, Some(model.name.as_str())) {
            continue;
        }
        // One that has no `production` cannot be asked by its name alone.
        let version = registry.resolve(&model.name, &Selector::Production).await;
        if version.is_ok_and(|version| version.proof.language.is_some()) {
            models.push(object(model.name.as_str(), &model));
        }
    }
    json(StatusCode::OK, &ModelList::new(models))
}

/// One of them.
pub(crate) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    let id = call.parameter("id").to_owned();
    let target = Target::find(call, &id).await?;
    let model = call.state.application.registry().model(target.lease.model()).await?;
    json(StatusCode::OK, &object(&id, &model))
}

fn object(id: &str, model: &ModelRecord) -> ModelObject {
    let created = u64::try_from(model.created_at.0 / 1_000).unwrap_or_default();
    ModelObject::new(id, created, OWNER)
}
