//! From an endpoint of the table to the function that answers it.

mod admin;
mod data_sets;
mod health;
mod job_events;
mod jobs;
mod models;
mod prometheus;
mod uploads;
mod v2;

use std::sync::Arc;

use http::HeaderMap;
use yard_access::Principal;
use yard_types::ModelName;

use crate::{
    failure::Failure,
    gate::RequestId,
    http::{Answer, Call, Payload, json_bytes},
    openai,
    routes::Endpoint as E,
    state::ServerState,
};

use crate::predict::describe;
pub(crate) use crate::predict::{infer, predict};
pub(crate) use health::is_ready;

/// A request that was let in and owns all it needs, so that it can outlive its connection.
#[derive(Debug)]
pub(crate) struct OwnedCall {
    pub(crate) state: Arc<ServerState>,
    pub(crate) principal: Principal,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<String>,
    pub(crate) request_id: RequestId,
    /// Whether nobody waits for the answer: it gives way to those for which somebody does.
    pub(crate) in_background: bool,
    parameters: Vec<(&'static str, String)>,
}

impl OwnedCall {
    pub(crate) fn new(call: &Call<'_>) -> Self {
        Self {
            state: Arc::clone(call.state),
            principal: call.principal.clone(),
            headers: call.parts.headers.clone(),
            query: call.parts.uri.query().map(str::to_owned),
            request_id: call.request_id.clone(),
            in_background: false,
            parameters: call.parameters.to_owned(),
        }
    }

    /// A call that comes from no connection: a line of a batch.
    pub(crate) fn in_background(
        state: Arc<ServerState>,
        principal: Principal,
        request_id: RequestId,
    ) -> Self {
        let (headers, query, parameters) = (HeaderMap::new(), None, Vec::new());
        Self { state, principal, headers, query, request_id, in_background: true, parameters }
    }

    /// The model in the path. What is not a name is the name of no model.
    pub(crate) fn model(&self) -> Result<ModelName, Failure> {
        let name = self.parameter("model");
        name.parse().map_err(|_| Failure::unknown_model(name))
    }

    /// What stands in the path for this name; empty when it has none or is not UTF-8, which names nothing.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

/// Answers an open route.
pub(crate) fn open(state: &ServerState, endpoint: E) -> Result<Answer, Failure> {
    match endpoint {
        E::ServerLive | E::HealthLive => health::live(),
        E::ServerReady => health::v2_ready(state),
        E::HealthReady => health::ready(state),
        _ => Err(Failure::not_found("there is no such route")),
    }
}

/// Answers a route that a key opened.
pub(crate) async fn run(endpoint: E, call: OwnedCall, payload: Payload) -> Result<Answer, Failure> {
    let call = &call;
    match endpoint {
        E::ServerMetadata => v2::server_metadata(call),
        E::AllStatistics => v2::all_statistics(call).await,
        E::ModelMetadata => v2::model_metadata(call).await,
        E::ModelReady => v2::model_ready(call).await,
        E::ModelConfig => v2::model_config(call).await,
        E::ModelStatistics => v2::model_statistics(call).await,
        E::RepositoryIndex => v2::repository_index(call, &payload).await,
        E::ListOpenAiModels => openai::list(call).await,
        E::ShowOpenAiModel => openai::show(call).await,
        E::ChatCompletions => openai::chat(call, &payload).await,
        E::Completions => openai::complete(call, &payload).await,
        E::Responses => openai::respond(call, &payload).await,
        E::Embeddings => openai::embed(call, &payload).await,
        E::Rerank => openai::rerank(call, &payload).await,
        E::CreateBatchFile => openai::create_file(call, payload).await,
        E::ListBatchFiles => openai::list_files(call).await,
        E::ShowBatchFile => openai::show_file(call).await,
        E::RemoveBatchFile => openai::remove_file(call).await,
        E::ReadBatchFile => openai::read_file(call).await,
        E::CreateBatch => openai::create_batch(call, &payload).await,
        E::ListBatches => openai::list_batches(call).await,
        E::ShowBatch => openai::show_batch(call).await,
        E::CancelBatch => openai::cancel_batch(call).await,
        E::Tokenize => openai::tokenize(call, &payload).await,
        E::Detokenize => openai::detokenize(call, &payload).await,
        E::LoadModel => v2::load(call, &payload).await,
        E::UnloadModel => v2::unload(call, &payload).await,
        E::DescribeDefault | E::DescribeModel => describe(call).await,
        E::ListModels => models::list(call).await,
        E::ShowModel => models::show(call).await,
        E::ListVersions => models::list_versions(call).await,
        E::ShowVersion => models::show_version(call).await,
        E::ShowPassport => models::passport(call).await,
        E::ListFiles => models::list_files(call).await,
        E::DownloadFile => models::download(call).await,
        E::ArchiveVersion => models::archive(call, &payload).await,
        E::ListAliases => models::list_aliases(call).await,
        E::SetAlias => models::set_alias(call, &payload).await,
        E::RemoveAlias => models::remove_alias(call).await,
        E::RollBack => models::roll_back(call, &payload).await,
        E::ShowServing => models::show_serving(call).await,
        E::SetServing => models::set_serving(call, &payload).await,
        E::BeginUpload => uploads::begin(call, &payload).await,
        E::ShowUpload => uploads::show(call).await,
        E::PutFile => uploads::put_file(call, payload).await,
        E::CommitUpload => uploads::commit(call, &payload).await,
        E::AbortUpload => uploads::abort(call).await,
        E::SubmitJob => jobs::submit(call, &payload).await,
        E::ListJobs => jobs::list(call).await,
        E::ShowJob => jobs::show(call).await,
        E::CancelJob => jobs::cancel(call, &payload).await,
        E::FollowJob => job_events::follow(call).await,
        E::JobMetrics => jobs::metrics(call).await,
        E::JobLog => jobs::log(call).await,
        E::ListDataSets => data_sets::list(call).await,
        E::ListDataSetVersions => data_sets::list_versions(call).await,
        E::ShowDataSet => data_sets::show(call).await,
        E::RemoveDataSet => data_sets::remove(call).await,
        E::BeginDataSet => data_sets::begin(call, &payload).await,
        E::ShowDataSetDraft => data_sets::show_draft(call).await,
        E::PutDataFile => data_sets::put_file(call, payload).await,
        E::CommitDataSet => data_sets::commit(call, &payload).await,
        E::AbortDataSet => data_sets::abort(call).await,
        E::ListKeys => admin::list_keys(call).await,
        E::CreateKey => admin::create_key(call, &payload).await,
        E::RotateKey => admin::rotate_key(call, &payload).await,
        E::RevokeKey => admin::revoke_key(call).await,
        E::ShowAudit => admin::audit(call).await,
        E::ShowUsage => admin::usage(call).await,
        E::CollectGarbage => admin::collect_garbage(call, &payload).await,
        E::ShowStatus => admin::status(call),
        E::ShowOpenApi => Ok(json_bytes(crate::openapi::document())),
        E::ShowMetrics => Ok(prometheus::metrics(call)),
        // Open routes, routes that answer within their request, and calls of the other listener do not come here.
        E::ServerLive | E::ServerReady | E::HealthLive | E::HealthReady => open(&call.state, endpoint),
        E::Infer | E::PredictDefault | E::PredictModel | E::Rpc => {
            Err(Failure::not_found("there is no such route"))
        }
    }
}
