//! Jobs of the management API.

use http::StatusCode;
use yard_api::management::NewJobBody;
use yard_jobs::{JobId, JobState};
use yard_types::ModelName;

use super::{OwnedCall, models::Nothing};
use crate::{
    application::{JobFilter, bodies, member},
    failure::Failure,
    http::{Answer, Payload, QueryParameters, json},
};

/// Jobs of a page, if the request does not say.
const PAGE: usize = 50;
/// At most.
const MAX_PAGE: usize = 500;
/// Lines of a log, if the request does not say.
const LINES: u32 = 200;
/// At most.
const MAX_LINES: u32 = yard_jobs::MAX_LOG_LINES;

pub(super) async fn submit(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let new: NewJobBody = payload.document()?;
    json(StatusCode::ACCEPTED, &call.state.application.submit_job(&call.principal, &new).await?)
}

pub(super) async fn list(call: &OwnedCall) -> Result<Answer, Failure> {
    let known = ["state", "model", "search", "after", "limit"];
    let query = QueryParameters::parse(call.query.as_deref(), &known)?;
    let state = match query.get::<String>("state")? {
        Some(name) => Some(JobState::from_name(&name).ok_or_else(|| {
            let states = JobState::ALL.map(JobState::as_str).join(", ");
            member("state", format!("'state' is one of {states}"))
        })?),
        None => None,
    };
    let after = query.get::<String>("after")?;
    let filter = JobFilter {
        state,
        model: query.get::<ModelName>("model")?,
        search: query.get::<JobId>("search")?,
        after: after.map(|text| JobFilter::read_place(&text)).transpose()?,
        limit: query.get("limit")?.unwrap_or(PAGE).clamp(1, MAX_PAGE),
    };
    json(StatusCode::OK, &call.state.application.list_jobs(&call.principal, &filter).await?)
}

pub(super) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    let job = call.state.application.visible_job(&call.principal, job_id(call)?).await?;
    json(StatusCode::OK, &bodies::job(&job))
}

pub(super) async fn cancel(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    payload.document::<Nothing>()?;
    json(StatusCode::OK, &call.state.application.cancel_job(&call.principal, job_id(call)?).await?)
}

pub(super) async fn metrics(call: &OwnedCall) -> Result<Answer, Failure> {
    json(StatusCode::OK, &call.state.application.job_metrics(&call.principal, job_id(call)?).await?)
}

pub(super) async fn log(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["limit"])?;
    let limit = query.get("limit")?.unwrap_or(LINES).clamp(1, MAX_LINES);
    json(StatusCode::OK, &call.state.application.job_log(&call.principal, job_id(call)?, limit).await?)
}

pub(super) fn job_id(call: &OwnedCall) -> Result<JobId, Failure> {
    call.parameter("job").parse().map_err(|_| Failure::not_found("there is no such job"))
}
