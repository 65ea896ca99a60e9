//! The model that a request means.

use std::sync::Arc;

use http::HeaderValue;
use yard_access::Permission;
use yard_encoders::TextEncoder;
use yard_language::LanguageModel;
use yard_serving::{Hold, Lease};
use yard_types::{ErrorCode, Selector};

use super::encoders::EncoderTarget;
use crate::{dispatch::OwnedCall, failure::Failure, gate, http::Answer};

/// A language model in memory, kept there for as long as this lives.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As the request named it: answers name it so again.
    pub(super) name: String,
    pub(super) lease: Lease,
    pub(super) model: Arc<LanguageModel>,
    _hold: Arc<Hold>,
}

/// A model that has rows of numbers for texts.
#[derive(Debug, Clone)]
pub(super) enum TextModel {
    Language(Target),
    Encoder(EncoderTarget),
}

impl Target {
    /// The model of this name that the key may use.
    pub(super) async fn find(call: &OwnedCall, name: &str) -> Result<Self, Failure> {
        Self::of(name, lease(call, name).await?)
    }

    fn of(name: &str, lease: Lease) -> Result<Self, Failure> {
        let Some(model) = lease.service::<LanguageModel>() else {
            if lease.service::<TextEncoder>().is_some() {
                let message = format!(
                    "the model '{name}' is an encoder and writes nothing: it is asked under /v1/embeddings or /v1/rerank"
                );
                return Err(Failure::invalid(message).with_param("model"));
            }
            let message = format!(
                "the model '{name}' is no language model: it is asked under /v2/models/{}/infer or /models/{}/predict",
                lease.model(),
                lease.model()
            );
            return Err(Failure::invalid(message).with_param("model"));
        };
        let hold = Arc::new(lease.hold());
        Ok(Self { name: name.to_owned(), lease, model, _hold: hold })
    }

    /// Says in an answer's head which version gave it.
    pub(super) fn name_version(&self, answer: &mut Answer) {
        name_version(answer, &self.lease);
    }

    /// What answers depend on besides their requests.
    pub(super) fn fingerprint(&self) -> String {
        format!("{}:{}", self.lease.model(), self.lease.version())
    }
}

impl TextModel {
    /// The model of this name that the key may use.
    pub(super) async fn find(call: &OwnedCall, name: &str) -> Result<Self, Failure> {
        let lease = lease(call, name).await?;
        match EncoderTarget::of(&lease) {
            Some(encoder) => Ok(Self::Encoder(encoder)),
            None => Target::of(name, lease).map(Self::Language),
        }
    }

    /// Says in an answer's head which version gave it.
    pub(super) fn name_version(&self, answer: &mut Answer) {
        match self {
            Self::Language(target) => target.name_version(answer),
            Self::Encoder(target) => name_version(answer, &target.lease),
        }
    }
}

async fn lease(call: &OwnedCall, name: &str) -> Result<Lease, Failure> {
    let (model, selector) = named(name)?;
    gate::allow(&call.principal, Permission::Predict, Some(model)).map_err(about_the_model)?;
    let lease = call.state.application.lease(model, &selector).await;
    lease.map_err(|error| about_the_model(error.into()))
}

fn name_version(answer: &mut Answer, lease: &Lease) {
    let headers = answer.headers_mut();
    // Names are made of characters that headers take.
    if let Ok(model) = HeaderValue::from_str(lease.model().as_str()) {
        headers.insert("x-modelyard-model", model);
    }
    headers.insert("x-modelyard-version", HeaderValue::from(lease.version().get()));
}

/// A model's name and which of its versions is meant.
pub(super) fn named(id: &str) -> Result<(&str, Selector), Failure> {
    // Neither character can stand in a name, so the first of them ends it.
    let Some(place) = id.find(['@', ':']) else { return Ok((id, Selector::Production)) };
    let after = &id[place + 1..];
    let selector = if id[place..].starts_with('@') {
        after.parse().map(Selector::Alias).ok()
    } else {
        after.parse().map(Selector::Version).ok()
    };
    Ok((&id[..place], selector.ok_or_else(|| unknown(id))?))
}

pub(super) fn unknown(id: &str) -> Failure {
    about_the_model(Failure::unknown_model(id))
}

/// A failure that concerns the request's `model`.
pub(super) fn about_the_model(failure: Failure) -> Failure {
    let is_missing = failure.code() == ErrorCode::NotFound;
    let failure = failure.with_param("model");
    if is_missing { failure.with_detail("model_not_found") } else { failure }
}
