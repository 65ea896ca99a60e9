//! Data sets of the management API.

use http::StatusCode;
use yard_api::management::{CommitDataSetBody, DataSetList, NewDataSetBody};
use yard_types::ModelName;

use super::{
    OwnedCall,
    uploads::{IncomingFile, stored, upload_id},
};
use crate::{
    application::bodies,
    failure::Failure,
    http::{Answer, Payload, empty, json},
};

/// What stands in a path for the newest version.
const NEWEST: &str = "latest";

pub(super) async fn list(call: &OwnedCall) -> Result<Answer, Failure> {
    let data_sets = call.state.application.data_sets(&call.principal).await?;
    json(StatusCode::OK, &DataSetList { data_sets })
}

pub(super) async fn list_versions(call: &OwnedCall) -> Result<Answer, Failure> {
    let name = name(call)?;
    let data_sets = call.state.application.data_set_versions(&call.principal, &name).await?;
    json(StatusCode::OK, &DataSetList { data_sets })
}

pub(super) async fn show(call: &OwnedCall) -> Result<Answer, Failure> {
    let name = name(call)?;
    let number = match call.parameter("version") {
        NEWEST => None,
        text => {
            let number = text.parse().map_err(|_| Failure::not_found("there is no such version"))?;
            Some(number)
        }
    };
    json(StatusCode::OK, &call.state.application.data_set(&call.principal, &name, number).await?)
}

/// Only by its number: what is the newest may be another version by the time the request is here.
pub(super) async fn remove(call: &OwnedCall) -> Result<Answer, Failure> {
    let name = name(call)?;
    let number = match call.parameter("version") {
        NEWEST => {
            return Err(Failure::invalid(
                "a version is deleted by its number: the newest may be another by now",
            ));
        }
        text => text.parse().map_err(|_| Failure::not_found("there is no such version"))?,
    };
    call.state.application.remove_data_set(&call.principal, &name, number).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) async fn begin(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let new: NewDataSetBody = payload.document()?;
    let draft = call.state.application.begin_data_set(&call.principal, &new).await?;
    json(StatusCode::CREATED, &bodies::data_set_draft(&draft))
}

pub(super) async fn show_draft(call: &OwnedCall) -> Result<Answer, Failure> {
    let draft = call.state.application.data_set_draft(&call.principal, upload_id(call)?).await?;
    json(StatusCode::OK, &bodies::data_set_draft(&draft))
}

pub(super) async fn put_file(call: &OwnedCall, payload: Payload) -> Result<Answer, Failure> {
    let IncomingFile { upload, path, expected, content } = IncomingFile::of(call, payload)?;
    let application = &call.state.application;
    stored(application.put_data_file(&call.principal, upload, path, content, expected).await)
}

pub(super) async fn commit(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let body: CommitDataSetBody = payload.document()?;
    let reply = call.state.application.commit_data_set(&call.principal, upload_id(call)?, body).await?;
    let status = if reply.created { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &reply)
}

pub(super) async fn abort(call: &OwnedCall) -> Result<Answer, Failure> {
    call.state.application.abort_data_set(&call.principal, upload_id(call)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn name(call: &OwnedCall) -> Result<ModelName, Failure> {
    call.parameter("data_set").parse().map_err(|_| Failure::not_found("there is no such data set"))
}
