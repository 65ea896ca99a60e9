//! Running models for HTTP clients: from bytes to tensors, through serving, and back to bytes.
//!
//! Whoever leaves cancels: all of it happens within the request's own future, which is dropped with its connection.

mod plain;
mod v2;

use std::time::{Duration, Instant};

use http::HeaderValue;
use yard_serving::{Lease, Prediction, QueueClass, RequestContext, Timings};
use yard_types::{ErrorCode, Selector, Tensor};

use crate::{
    failure::Failure,
    gate::RequestId,
    http::{Answer, Call},
};

pub(crate) use plain::{describe, predict};
pub(crate) use v2::{Prepared, infer, prepare, respond};

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

/// Refuses tensors for a model of texts.
fn must_take_tensors(lease: &Lease) -> Result<(), Failure> {
    let signature = lease.signature();
    if !signature.inputs.is_empty() || !signature.outputs.is_empty() {
        return Ok(());
    }
    let message = format!("'{}' takes and gives texts, not tensors: it is a language model", lease.model());
    Err(Failure::new(ErrorCode::Unsupported, message))
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

/// Where the time of a predict request went, for the log.
struct Stages<'a> {
    request_id: &'a RequestId,
    decode: Duration,
    timings: Timings,
    batch_rows: usize,
    computed: Instant,
}

impl<'a> Stages<'a> {
    /// To be made as soon as the prediction is there.
    fn new(call: &Call<'a>, decoded: Instant, prediction: &Prediction) -> Self {
        Self {
            request_id: call.request_id,
            decode: decoded.saturating_duration_since(call.arrived),
            timings: prediction.timings,
            batch_rows: prediction.batch_rows,
            computed: Instant::now(),
        }
    }

    /// To be called when the answer is written.
    fn log(&self, lease: &Lease) {
        tracing::debug!(
            request_id = self.request_id.as_str(),
            version = %lease.reference(),
            batch_rows = self.batch_rows,
            decode_microseconds = self.decode.as_micros() as u64,
            queue_microseconds = self.timings.queue.as_micros() as u64,
            compute_microseconds = self.timings.compute.as_micros() as u64,
            encode_microseconds = self.computed.elapsed().as_micros() as u64,
            "predicted"
        );
    }
}
