//! Models, versions and aliases of the management API.

use http::{HeaderValue, Response, StatusCode, header};
use yard_api::management::{
    AliasList, FileList, ModelList, PromoteReply, RollbackReply, RollbackRequest, ServingOptionsBody,
    SetAlias, VersionList,
};
use yard_types::{AliasName, PackagePath, Selector, VersionNumber};

use super::OwnedCall;
use crate::{
    application::{alias_name, bodies, version_number},
    failure::Failure,
    http::{Answer, AnswerBody, Payload, empty, json},
    predict::selector,
};

pub(super) async fn list(call: &OwnedCall) -> Result<Answer, Failure> {
    let models = call.state.application.models(&call.principal).await?;
    json(StatusCode::OK, &ModelList { models })
}

pub(super) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    json(StatusCode::OK, &call.state.application.model(&call.model()?).await?)
}

pub(super) async fn list_versions(call: &OwnedCall) -> Result<Answer, Failure> {
    let versions = call.state.application.versions(&call.model()?).await?;
    json(StatusCode::OK, &VersionList { versions })
}

pub(super) async fn show_version(call: &OwnedCall) -> Result<Answer, Failure> {
    let model = call.model()?;
    json(StatusCode::OK, &call.state.application.version_body(&model, &version(call)?).await?)
}

pub(super) async fn passport(call: &OwnedCall) -> Result<Answer, Failure> {
    let model = call.model()?;
    json(StatusCode::OK, &call.state.application.passport(&model, &version(call)?).await?)
}

pub(super) async fn list_files(call: &OwnedCall) -> Result<Answer, Failure> {
    let model = call.model()?;
    let record = call.state.application.version_record(&model, &version(call)?).await?;
    json(StatusCode::OK, &FileList { files: record.files.iter().map(bodies::file).collect() })
}

/// Streams a file; its digest comes with it, so that whoever pulls can check what arrived.
pub(super) async fn download(call: &OwnedCall) -> Result<Answer, Failure> {
    let model = call.model()?;
    let path: PackagePath =
        call.parameter("path").parse().map_err(|_| Failure::not_found("the version has no such file"))?;
    let application = &call.state.application;
    let record = application.version_record(&model, &version(call)?).await?;
    let digest = record.files.iter().find(|file| file.path == path).map(|file| file.digest);
    let (length, content) = application.registry().read_file(&model, record.number, &path).await?;
    let mut answer = Response::new(AnswerBody::Stream(content, length));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(Ok(digest)) = digest.map(|digest| HeaderValue::from_str(&digest.to_string())) {
        headers.insert("x-content-sha256", digest);
    }
    Ok(answer)
}

pub(super) async fn archive(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    payload.document::<Nothing>()?;
    let model = call.model()?;
    let application = &call.state.application;
    let record = application.version_record(&model, &version(call)?).await?;
    application.archive(&call.principal, &model, record.number).await?;
    let selector = Selector::Version(record.number);
    json(StatusCode::OK, &application.version_body(&model, &selector).await?)
}

pub(super) async fn list_aliases(call: &OwnedCall) -> Result<Answer, Failure> {
    let aliases = call.state.application.aliases(&call.model()?).await?;
    json(StatusCode::OK, &AliasList { aliases })
}

pub(super) async fn set_alias(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let (model, alias) = (call.model()?, alias_name(call.parameter("alias"))?);
    let version = version_number(payload.document::<SetAlias>()?.version)?;
    let moved = call.state.application.promote(&call.principal, &model, &alias, version).await?;
    json(
        StatusCode::OK,
        &PromoteReply {
            model: model.to_string(),
            alias: alias.to_string(),
            version: moved.to.get(),
            previous: moved.from.map(VersionNumber::get),
        },
    )
}

pub(super) async fn remove_alias(call: &OwnedCall) -> Result<Answer, Failure> {
    let (model, alias) = (call.model()?, alias_name(call.parameter("alias"))?);
    call.state.application.remove_alias(&call.principal, &model, &alias).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn roll_back(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let model = call.model()?;
    let alias = match payload.document::<RollbackRequest>()?.alias {
        Some(alias) => alias_name(&alias)?,
        None => AliasName::production(),
    };
    let moved = call.state.application.roll_back(&call.principal, &model, &alias).await?;
    json(
        StatusCode::OK,
        &RollbackReply {
            model: model.to_string(),
            alias: alias.to_string(),
            from: moved.from.unwrap_or(moved.to).get(),
            version: moved.to.get(),
        },
    )
}

pub(super) async fn show_serving(call: &OwnedCall) -> Result<Answer, Failure> {
    json(StatusCode::OK, &call.state.application.serving_options(&call.model()?).await?)
}

pub(super) async fn set_serving(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let body: ServingOptionsBody = payload.document()?;
    let model = call.model()?;
    json(StatusCode::OK, &call.state.application.set_serving_options(&call.principal, &model, &body).await?)
}

/// A request that says nothing.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

fn version(call: &OwnedCall) -> Result<Selector, Failure> {
    selector(Some(call.parameter("version")), call.parameter("model"))
}
