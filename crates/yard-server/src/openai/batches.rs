//! `/v1/batches`: files of requests that are answered in the background.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use yard_batches::{Batch, BatchId, BatchStatus, NewBatch, Problem};

use super::files::{after, batches, limit, owner, page, seconds};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, QueryParameters, json},
};

/// Batches of a page, when the request does not say, and at most.
const LISTED: u32 = 20;
const MOST_LISTED: u32 = 100;

/// A batch to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchRequest {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<BTreeMap<String, String>>,
}

/// A batch, as the API shows it.
#[derive(Debug, Serialize)]
struct BatchObject {
    id: String,
    object: &'static str,
    endpoint: &'static str,
    errors: Option<Errors>,
    input_file_id: String,
    completion_window: String,
    status: &'static str,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: i64,
    in_progress_at: Option<i64>,
    expires_at: i64,
    finalizing_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelling_at: Option<i64>,
    cancelled_at: Option<i64>,
    request_counts: CountsObject,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct CountsObject {
    total: u64,
    completed: u64,
    failed: u64,
}

#[derive(Debug, Serialize)]
struct Errors {
    object: &'static str,
    data: Vec<ProblemObject>,
}

#[derive(Debug, Serialize)]
struct ProblemObject {
    code: String,
    message: String,
    param: Option<String>,
    line: Option<u32>,
}

pub(crate) async fn create_batch(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request: BatchRequest = payload.document()?;
    let new = NewBatch {
        input_file: request.input_file_id,
        endpoint: request.endpoint,
        window: request.completion_window,
        metadata: request.metadata.unwrap_or_default(),
    };
    let batch = batches(call)?.create(&owner(call), new).await?;
    json(StatusCode::OK, &object(batch))
}

pub(crate) async fn list_batches(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["after", "limit"])?;
    let limit = limit(&query, LISTED, MOST_LISTED)?;
    let after: Option<BatchId> = after(&query)?;
    let (listed, has_more) = batches(call)?.batches(&owner(call), after.as_ref(), limit).await?;
    let listed = listed.into_iter().map(object).collect();
    json(StatusCode::OK, &page(listed, has_more, |batch: &BatchObject| batch.id.clone()))
}

pub(crate) async fn show_batch(call: &OwnedCall) -> Result<Answer, Failure> {
    let batch = batches(call)?.batch(&owner(call), &batch_id(call)?).await?;
    json(StatusCode::OK, &object(batch))
}

pub(crate) async fn cancel_batch(call: &OwnedCall) -> Result<Answer, Failure> {
    let batch = batches(call)?.cancel(&owner(call), &batch_id(call)?).await?;
    json(StatusCode::OK, &object(batch))
}

fn batch_id(call: &OwnedCall) -> Result<BatchId, Failure> {
    call.parameter("batch").parse().map_err(|_| Failure::not_found("there is no such batch"))
}

fn object(batch: Batch) -> BatchObject {
    let ended = |status| batch.moments.ended.filter(|_| batch.status == status).map(seconds);
    BatchObject {
        id: batch.id.to_string(),
        object: "batch",
        endpoint: batch.endpoint.as_str(),
        input_file_id: batch.input_file.to_string(),
        completion_window: batch.window.as_str().to_owned(),
        status: batch.status.as_str(),
        output_file_id: batch.output_file.as_ref().map(ToString::to_string),
        error_file_id: batch.error_file.as_ref().map(ToString::to_string),
        created_at: seconds(batch.created_at),
        in_progress_at: batch.moments.in_progress.map(seconds),
        expires_at: seconds(batch.expires_at),
        finalizing_at: batch.moments.finalizing.map(seconds),
        completed_at: ended(BatchStatus::Completed),
        failed_at: ended(BatchStatus::Failed),
        expired_at: ended(BatchStatus::Expired),
        cancelling_at: batch.moments.cancelling.map(seconds),
        cancelled_at: ended(BatchStatus::Cancelled),
        request_counts: CountsObject {
            total: batch.counts.total,
            completed: batch.counts.completed,
            failed: batch.counts.failed,
        },
        errors: errors(batch.problems),
        metadata: Some(batch.metadata).filter(|metadata| !metadata.is_empty()),
    }
}

fn errors(problems: Vec<Problem>) -> Option<Errors> {
    let data: Vec<ProblemObject> = problems
        .into_iter()
        .map(|Problem { code, message, param, line }| ProblemObject { code, message, param, line })
        .collect();
    (!data.is_empty()).then_some(Errors { object: "list", data })
}
