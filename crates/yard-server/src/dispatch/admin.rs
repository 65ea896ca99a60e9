//! Keys, the audit trail and the server itself, of the management API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header};
use yard_access::{KeyId, Visibility};
use yard_api::management::{
    AuditPage, KeyList, NewKeyBody, RotateKey, ServedLanguageBody, ServedVersionBody, StatusBody, UsageList,
};
use yard_language::LanguageModel;
use yard_serving::VersionStatusState;
use yard_types::VersionRef;

use super::{OwnedCall, models::Nothing};
use crate::{
    application::bodies,
    failure::Failure,
    http::{Answer, Payload, QueryParameters, empty, json},
};

/// Entries of a page of the audit trail, if the request does not say.
const PAGE: u32 = 100;
/// At most.
const MAX_PAGE: u32 = 1000;

pub(super) async fn list_keys(call: &OwnedCall) -> Result<Answer, Failure> {
    let keys = call.state.application.keys().await?;
    json(StatusCode::OK, &KeyList { keys: keys.iter().map(bodies::key).collect() })
}

pub(super) async fn create_key(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let new: NewKeyBody = payload.document()?;
    let created = call.state.application.create_key(&call.principal, new).await?;
    secret(json(StatusCode::CREATED, &bodies::created_key(&created))?)
}

pub(super) async fn rotate_key(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let RotateKey { grace_seconds } = payload.document()?;
    let grace = Duration::from_secs(grace_seconds.into());
    let created = call.state.application.rotate_key(&call.principal, key_id(call)?, grace).await?;
    secret(json(StatusCode::OK, &bodies::created_key(&created))?)
}

pub(super) async fn revoke_key(call: &OwnedCall) -> Result<Answer, Failure> {
    call.state.application.revoke_key(&call.principal, key_id(call)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn audit(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["before", "limit"])?;
    let limit = query.get("limit")?.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let entries = call.state.application.audit_trail(query.get("before")?, limit).await?;
    let is_full = entries.len() >= limit as usize;
    let next_before = entries.last().filter(|last| is_full && last.sequence > 1).map(|last| last.sequence);
    json(
        StatusCode::OK,
        &AuditPage { entries: entries.iter().map(bodies::audit_entry).collect(), next_before },
    )
}

pub(super) async fn usage(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["from", "to"])?;
    let application = &call.state.application;
    let page = application.usage(&call.principal, query.get("from")?, query.get("to")?).await?;
    let usage = page.rows.iter().map(bodies::usage).collect();
    json(StatusCode::OK, &UsageList { usage, truncated: page.truncated })
}

pub(super) async fn collect_garbage(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    payload.document::<Nothing>()?;
    json(StatusCode::OK, &call.state.application.collect_garbage(&call.principal).await?)
}

pub(super) fn status(call: &OwnedCall) -> Result<Answer, Failure> {
    let application = &call.state.application;
    let services = application.serving().services::<LanguageModel>();
    let language_models: BTreeMap<VersionRef, Arc<LanguageModel>> = services.into_iter().collect();
    let mut served = Vec::new();
    for model in application.serving().status() {
        if call.principal.visibility(model.model.as_str()) == Visibility::Hidden {
            continue;
        }
        for version in model.versions {
            let (state, reason) = match version.state {
                VersionStatusState::Loading => ("loading", None),
                VersionStatusState::Ready => ("ready", None),
                VersionStatusState::Failed { reason } => ("failed", Some(reason)),
                VersionStatusState::Draining => ("draining", None),
                VersionStatusState::Evicted => ("evicted", None),
            };
            let reference = VersionRef { model: model.model.clone(), version: version.version };
            // One that drains may have a successor of the same number: what is known is the successor's.
            let language = language_models.get(&reference).filter(|_| state != "draining");
            served.push(ServedVersionBody {
                model: model.model.to_string(),
                version: version.version.get(),
                state: state.to_owned(),
                reason,
                memory_bytes: version.memory_bytes,
                waiting: version.queued_interactive + version.queued_background,
                stalled: version.stalled,
                language: language.map(|model| language_body(model)),
            });
        }
    }
    json(
        StatusCode::OK,
        &StatusBody {
            version: application.version().to_owned(),
            engines: application.engines().iter().map(bodies::engine).collect(),
            served,
        },
    )
}

fn language_body(model: &LanguageModel) -> ServedLanguageBody {
    ServedLanguageBody {
        running: model.is_running(),
        restarts: model.restarts(),
        answers_in_flight: model.counts().answers_in_flight,
    }
}

fn key_id(call: &OwnedCall) -> Result<KeyId, Failure> {
    call.parameter("key").parse().map_err(|_| Failure::not_found("there is no such key"))
}

/// Keeps an answer that shows a secret out of every cache.
fn secret(mut answer: Answer) -> Result<Answer, Failure> {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
