//! `POST /v2/models/{m}/infer`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use hyper::body::Incoming;
use yard_api::v2::{
    InferOutput, InferRequest, InferResponse, OutputForm, ResponseError, parse_header_length,
};
use yard_serving::Lease;
use yard_types::Tensor;

use super::{Stages, lease, must_take_tensors, name_version, run};
use crate::{
    failure::Failure,
    heavy,
    http::{Answer, BodyLimits, Call, json_bytes, read_body},
};

const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// A request that was read and fits its model.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) forms: Vec<OutputForm>,
    pub(crate) id: Option<String>,
    pub(crate) timeout: Option<Duration>,
    /// The caller wants the last answer to a request marked.
    pub(crate) marks_final: bool,
}

pub(crate) async fn infer(call: &Call<'_>, body: &mut Incoming) -> Result<Answer, Failure> {
    let model = call.parameters.decoded("model").unwrap_or_default();
    // Asked first, so that nobody sends a body in vain; asked again, so that a slow body holds no version in memory.
    drop(lease(call, &model).await?);
    let options = &call.state.options;
    let mut charge = call.state.bodies.begin();
    let body = read_body(&call.parts.headers, body, BodyLimits::of(&options.http), &mut charge).await?;
    let lease = lease(call, &model).await?;
    let size = body.len();
    let header_length = header_length(&call.parts.headers, size)?;
    let prepared = {
        let lease = lease.clone();
        heavy::run(size, move || read(&body, header_length, &lease)).await??
    };
    let decoded = Instant::now();
    let timeout = options.request_timeout.min(prepared.timeout.unwrap_or(Duration::MAX));
    let Prepared { inputs, forms, id, .. } = prepared;
    let prediction = run(&lease, inputs, call.arrived, timeout).await?;
    let stages = Stages::new(call, decoded, &prediction);
    let size = prediction.outputs.iter().map(Tensor::byte_size).sum();
    let written = {
        let lease = lease.clone();
        let write = |response: InferResponse<'_>| response.write();
        heavy::run(size, move || respond(&lease, &prediction.outputs, &forms, id.as_deref(), write)).await??
    };
    let mut answer = json_bytes(written.bytes);
    if let Some(length) = written.header_length {
        let headers = answer.headers_mut();
        headers.insert(HEADER_LENGTH, HeaderValue::from(length));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    name_version(&mut answer, &lease);
    stages.log(&lease);
    Ok(answer)
}

fn header_length(headers: &HeaderMap, body_length: usize) -> Result<Option<usize>, Failure> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    Ok(Some(parse_header_length(value.to_str().unwrap_or_default(), body_length)?))
}

fn read(body: &Bytes, header_length: Option<usize>, lease: &Lease) -> Result<Prepared, Failure> {
    let request = match header_length {
        Some(length) => InferRequest::from_binary(body, length)?,
        None => InferRequest::from_json(body)?,
    };
    prepare(request, lease)
}

/// Fits a request to its model, whichever way it came.
pub(crate) fn prepare(request: InferRequest<'_>, lease: &Lease) -> Result<Prepared, Failure> {
    if request.model_name.as_deref().is_some_and(|name| name != lease.model().as_str()) {
        let message =
            format!("the request names another model than its path, which is for '{}'", lease.model());
        return Err(Failure::invalid(message).with_param("model_name"));
    }
    must_take_tensors(lease)?;
    let signature = lease.signature();
    let forms = request.output_forms(lease.model(), signature)?;
    Ok(Prepared {
        forms,
        id: request.id.map(Into::into),
        timeout: request.parameters.timeout,
        marks_final: request.parameters.enable_empty_final_response,
        inputs: signature.arrange(lease.model(), request.inputs)?,
    })
}

/// Puts what a model gave into the form asked for and has it written.
pub(crate) fn respond<Written>(
    lease: &Lease,
    outputs: &[Tensor],
    forms: &[OutputForm],
    id: Option<&str>,
    write: impl FnOnce(InferResponse<'_>) -> Result<Written, ResponseError>,
) -> Result<Written, Failure> {
    let version = lease.version().to_string();
    let response = InferResponse {
        model_name: lease.model().as_str(),
        model_version: &version,
        id,
        parameters: Vec::new(),
        outputs: InferOutput::select(lease.signature(), outputs, forms)?,
    };
    Ok(write(response)?)
}
