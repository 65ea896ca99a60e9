//! `inference.GRPCInferenceService`.

use std::{pin::Pin, sync::Arc, time::Instant};

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming, async_trait, metadata::MetadataValue};
use yard_access::Permission;
use yard_api::{
    grpc::{
        decode_request, encode_response, loaded_model,
        proto::{
            ModelConfigRequest, ModelConfigResponse, ModelInferRequest, ModelInferResponse,
            ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse,
            ModelStatisticsRequest, ModelStatisticsResponse, ModelStreamInferResponse,
            RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoadRequest,
            RepositoryModelLoadResponse, RepositoryModelUnloadRequest, RepositoryModelUnloadResponse,
            ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse,
            ServerReadyRequest, ServerReadyResponse, grpc_inference_service_server::GrpcInferenceService,
        },
    },
    v2::{InferResponse, ParameterValue},
};
use yard_serving::Lease;
use yard_types::{ModelName, Selector, Tensor};

use super::{
    caller::Caller,
    messages::{Inbox, Received},
    stream,
};
use crate::{
    dispatch::is_ready,
    failure::Failure,
    heavy,
    predict::{Prepared, prepare, respond, run, selector},
    state::ServerState,
};

/// The service over what the server can do.
#[derive(Debug, Clone)]
pub(crate) struct Inference {
    pub(crate) state: Arc<ServerState>,
}

/// What one request was answered, and by which version.
pub(super) struct Inferred {
    pub(super) response: ModelInferResponse,
    pub(super) lease: Lease,
}

impl Inference {
    /// Runs a model for one message. `arrived` is when the message came.
    pub(super) async fn infer(
        &self,
        caller: &Caller,
        received: Received,
        arrived: Instant,
        marks_last: bool,
    ) -> Result<Inferred, Failure> {
        let Received { message, size } = received;
        let model = message.model_name.clone();
        caller.allowed(Permission::Predict, &model)?;
        let selector = selector(Some(&message.model_version), &model)?;
        let lease = self.state.application.lease(&model, &selector).await?;
        let prepared = {
            let lease = lease.clone();
            heavy::run(size, move || prepare(decode_request(message)?, &lease)).await??
        };
        let Prepared { inputs, forms, id, timeout, marks_final } = prepared;
        let longest = self.state.options.request_timeout;
        let timeout = [timeout, caller.timeout].into_iter().flatten().fold(longest, std::cmp::Ord::min);
        let prediction = run(&lease, inputs, arrived, timeout).await?;
        let size = prediction.outputs.iter().map(Tensor::byte_size).sum();
        let response = {
            let lease = lease.clone();
            let write = move || {
                respond(
                    &lease,
                    &prediction.outputs,
                    &forms,
                    id.as_deref(),
                    |mut response: InferResponse<'_>| {
                        if marks_last && marks_final {
                            response.parameters.push(("triton_final_response", ParameterValue::Bool(true)));
                        }
                        encode_response(&response)
                    },
                )
            };
            heavy::run(size, write).await??
        };
        Ok(Inferred { response, lease })
    }
}

/// Runs a method's body and turns its failure into a status.
macro_rules! answer {
    ($caller:expr, $body:expr) => {{
        let caller: Caller = $caller;
        let outcome: Result<_, Failure> = async { $body }.await;
        match outcome {
            Ok(message) => Ok(Response::new(message)),
            Err(failure) => Err(caller.status(&failure)),
        }
    }};
}

/// Where the requests to run a model are; what tonic hands on is empty.
fn inbox<T>(request: &Request<T>) -> Inbox {
    request.extensions().get().cloned().unwrap_or_default()
}

fn named(name: &str, version: &str) -> Result<(ModelName, Selector), Failure> {
    let model = name.parse().map_err(|_| Failure::unknown_model(name))?;
    Ok((model, selector(Some(version), name)?))
}

#[async_trait]
impl GrpcInferenceService for Inference {
    type ModelStreamInferStream =
        Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: is_ready(&self.state) }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(self.state.application.server_metadata().into()))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            caller.allowed(Permission::ReadModel, &message.name)?;
            let (model, selector) = named(&message.name, &message.version)?;
            Ok(ModelReadyResponse { ready: self.state.application.model_ready(&model, &selector).await? })
        })
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            caller.allowed(Permission::ReadModel, &message.name)?;
            let (model, selector) = named(&message.name, &message.version)?;
            Ok(self.state.application.model_metadata(&model, &selector).await?.into())
        })
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            caller.allowed(Permission::ReadModel, &message.name)?;
            let (model, selector) = named(&message.name, &message.version)?;
            Ok(self.state.application.model_config(&model, &selector).await?.into())
        })
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            let application = &self.state.application;
            if message.name.is_empty() {
                return Ok(application.all_statistics(caller.principal()?).await?.into());
            }
            caller.allowed(Permission::ReadModel, &message.name)?;
            let (model, selector) = named(&message.name, &message.version)?;
            Ok(application.model_statistics(&model, &selector).await?.into())
        })
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let outcome = match inbox(&request).take() {
            Ok(received) => self.infer(&caller, received, caller.arrived, false).await,
            Err(failure) => Err(failure),
        };
        let Inferred { response, lease } = outcome.map_err(|failure| caller.status(&failure))?;
        let mut response = Response::new(response);
        let metadata = response.metadata_mut();
        if let Ok(model) = MetadataValue::try_from(lease.model().as_str()) {
            metadata.insert("x-modelyard-model", model);
        }
        metadata.insert("x-modelyard-version", MetadataValue::from(lease.version().get()));
        Ok(response)
    }

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let inbox = inbox(&request);
        let answers = stream::answers(self.clone(), caller, inbox, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let ready = request.into_inner().ready;
        answer!(caller.clone(), {
            Ok(self.state.application.repository_index(caller.principal()?, ready).await?.into())
        })
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            let name = loaded_model(&message.repository_name, &message.model_name, &message.parameters)?;
            let principal = caller.allowed(Permission::LoadUnload, name)?.clone();
            let (model, _) = named(name, "")?;
            let application = self.state.application.clone();
            let loaded = model.clone();
            // Goes on when the caller leaves.
            let work =
                self.state.background.spawn(async move { application.load(&principal, &loaded).await });
            work.await.map_err(Failure::internal)??;
            Ok(RepositoryModelLoadResponse { model_name: model.to_string(), is_loaded: true })
        })
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let message = request.into_inner();
        answer!(caller.clone(), {
            let name = loaded_model(&message.repository_name, &message.model_name, &message.parameters)?;
            let principal = caller.allowed(Permission::LoadUnload, name)?.clone();
            let (model, _) = named(name, "")?;
            let application = self.state.application.clone();
            let unloaded = model.clone();
            let work =
                self.state.background.spawn(async move { application.unload(&principal, &unloaded).await });
            work.await.map_err(Failure::internal)??;
            Ok(RepositoryModelUnloadResponse { model_name: model.to_string(), is_unloaded: true })
        })
    }
}
