//! `POST /predict`, `POST /models/{m}/predict`, and what `GET` says about them.

use std::time::Instant;

use http::StatusCode;
use hyper::body::Incoming;
use yard_access::{Permission, Principal};
use yard_api::plain;
use yard_serving::Lease;
use yard_types::{Selector, Tensor};

use super::{Stages, must_take_tensors, name_version, run};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    gate, heavy,
    http::{Answer, BodyLimits, Call, json, json_bytes, read_body},
    state::ServerState,
};

pub(crate) async fn predict(call: &Call<'_>, body: &mut Incoming) -> Result<Answer, Failure> {
    let named = call.parameters.decoded("model").unwrap_or_default();
    // As with V2: asked before the body and again after it.
    drop(plain_lease(call.state, call.principal, &named).await?);
    let options = &call.state.options;
    let mut charge = call.state.bodies.begin();
    let body = read_body(&call.parts.headers, body, BodyLimits::of(&options.http), &mut charge).await?;
    let lease = plain_lease(call.state, call.principal, &named).await?;
    let inputs = {
        let lease = lease.clone();
        heavy::run(body.len(), move || read(&body, &lease)).await??
    };
    let decoded = Instant::now();
    let prediction = run(&lease, inputs, call.arrived, options.request_timeout).await?;
    let stages = Stages::new(call, decoded, &prediction);
    let size = prediction.outputs.iter().map(Tensor::byte_size).sum();
    let written = {
        let lease = lease.clone();
        heavy::run(size, move || plain::write_response(lease.signature(), &prediction.outputs)).await??
    };
    let mut answer = json_bytes(written);
    name_version(&mut answer, &lease);
    stages.log(&lease);
    Ok(answer)
}

/// What the model takes, with a request that it accepts.
pub(crate) async fn describe(call: &OwnedCall) -> Result<Answer, Failure> {
    let state = &call.state;
    let lease = plain_lease(state, &call.principal, call.parameter("model")).await?;
    must_take_tensors(&lease)?;
    let version = lease.version().to_string();
    let description = plain::describe(lease.model().as_str(), &version, lease.signature());
    let mut answer = json(StatusCode::OK, &description)?;
    name_version(&mut answer, &lease);
    Ok(answer)
}

/// The model in the path, else the default one, which the key must be allowed to run just the same.
async fn plain_lease(state: &ServerState, principal: &Principal, named: &str) -> Result<Lease, Failure> {
    let application = &state.application;
    if !named.is_empty() {
        return Ok(application.lease(named, &Selector::Production).await?);
    }
    let model = application.default_model(principal)?;
    gate::allow(principal, Permission::Predict, Some(model.as_str()))?;
    Ok(application.lease(model.as_str(), &Selector::Production).await?)
}

fn read(body: &bytes::Bytes, lease: &Lease) -> Result<Vec<Tensor>, Failure> {
    must_take_tensors(lease)?;
    let signature = lease.signature();
    let named = plain::read_request(body, signature)?;
    Ok(signature.arrange(lease.model(), named)?)
}
