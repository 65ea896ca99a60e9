//! Running models for HTTP clients: from bytes to tensors, through serving, and back to bytes.
//!
//! Whoever leaves cancels: all of it happens within the request's own future, which is dropped with its connection.

mod plain;
mod v2;

use std::time::{Duration, Instant};

use http::HeaderValue;
use yard_serving::{Lease, Prediction, QueueClass, RequestContext};
use yard_types::{Selector, Tensor};

use crate::{
    failure::Failure,
    http::{Answer, Call},
};

pub(crate) use plain::{describe, predict};
pub(crate) use v2::infer;

/// The version that a request means.
pub(crate) async fn lease(call: &Call<'_>, model: &str) -> Result<Lease, Failure> {
    let selector = selector(call.parameters.decoded("version").as_deref(), model)?;
    Ok(call.state.application.lease(model, &selector).await?)
}

/// What stands where the version goes: a number, an alias, or nothing.
pub(crate) fn selector(version: Option<&str>, model: &str) -> Result<Selector, Failure> {
    match version.unwrap_or_default() {
        "" => Ok(Selector::Production),
        version => Selector::parse(version).map_err(|_| {
            let shown: String = version.chars().take(64).flat_map(char::escape_default).collect();
            Failure::not_found(format!("model '{model}' has no version '{shown}'"))
        }),
    }
}

/// Runs the model within the time that the request has left.
pub(crate) async fn run(
    lease: &Lease,
    inputs: Vec<Tensor>,
    arrived: Instant,
    timeout: Duration,
) -> Result<Prediction, Failure> {
    let context = RequestContext { class: QueueClass::Interactive, deadline: Some(arrived + timeout) };
    Ok(lease.predict(inputs, context).await?)
}

/// Says in the answer's head which version gave it.
fn name_version(answer: &mut Answer, lease: &Lease) {
    let headers = answer.headers_mut();
    // Names are made of characters that headers take.
    if let Ok(model) = HeaderValue::from_str(lease.model().as_str()) {
        headers.insert("x-modelyard-model", model);
    }
    let version: u32 = lease.version().get();
    headers.insert("x-modelyard-version", HeaderValue::from(version));
}
