//! The Open Inference Protocol beside prediction.

use http::StatusCode;
use yard_api::v2::{ModelReady, check_load_request, read_index_request};
use yard_types::{ModelName, Selector};

use super::OwnedCall;
use crate::{
    failure::Failure,
    http::{Answer, Payload, empty, json},
    predict::selector,
};

pub(super) fn server_metadata(call: &OwnedCall) -> Result<Answer, Failure> {
    json(StatusCode::OK, &call.state.application.server_metadata())
}

pub(super) async fn model_metadata(call: &OwnedCall) -> Result<Answer, Failure> {
    let (model, selector) = named(call)?;
    json(StatusCode::OK, &call.state.application.model_metadata(&model, &selector).await?)
}

pub(super) async fn model_config(call: &OwnedCall) -> Result<Answer, Failure> {
    let (model, selector) = named(call)?;
    json(StatusCode::OK, &call.state.application.model_config(&model, &selector).await?)
}

/// Status and body say the same, since some clients read the one and some the other.
pub(super) async fn model_ready(call: &OwnedCall) -> Result<Answer, Failure> {
    let (model, selector) = named(call)?;
    let ready = call.state.application.model_ready(&model, &selector).await?;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &ModelReady { name: model.to_string(), ready })
}

pub(super) async fn model_statistics(call: &OwnedCall) -> Result<Answer, Failure> {
    let (model, selector) = named(call)?;
    json(StatusCode::OK, &call.state.application.model_statistics(&model, &selector).await?)
}

pub(super) async fn all_statistics(call: &OwnedCall) -> Result<Answer, Failure> {
    json(StatusCode::OK, &call.state.application.all_statistics(&call.principal).await?)
}

pub(super) async fn repository_index(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let ready = read_index_request(&payload.bytes())?;
    json(StatusCode::OK, &call.state.application.repository_index(&call.principal, ready).await?)
}

pub(super) async fn load(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    check_load_request(&payload.bytes())?;
    call.state.application.load(&call.principal, &call.model()?).await?;
    Ok(empty(StatusCode::OK))
}

pub(super) async fn unload(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    check_load_request(&payload.bytes())?;
    call.state.application.unload(&call.principal, &call.model()?).await?;
    Ok(empty(StatusCode::OK))
}

fn named(call: &OwnedCall) -> Result<(ModelName, Selector), Failure> {
    let model = call.model()?;
    let selector = selector(Some(call.parameter("version")), model.as_str())?;
    Ok((model, selector))
}
