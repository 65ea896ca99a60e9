//! `grpc.health.v1`: the server under the empty name and its services' names; a model under its own name, for callers
//! with a key that may see it.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};
use yard_access::Permission;
use yard_types::{ModelName, Selector};

use super::caller::Caller;
use crate::{dispatch::is_ready, state::ServerState};

/// How often a watcher's answer is looked at again.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
const SERVICES: [&str; 3] = ["", "inference.GRPCInferenceService", "grpc.health.v1.Health"];

pub(super) fn service(state: Arc<ServerState>) -> HealthServer<ModelHealth> {
    HealthServer::new(ModelHealth { state })
}

/// Answers from what is served at the moment of asking.
#[derive(Debug, Clone)]
pub(super) struct ModelHealth {
    state: Arc<ServerState>,
}

impl ModelHealth {
    async fn status_of(&self, caller: &Caller, service: &str) -> ServingStatus {
        if SERVICES.contains(&service) {
            return serving(is_ready(&self.state));
        }
        let Ok(model) = service.parse::<ModelName>() else { return ServingStatus::ServiceUnknown };
        // Whoever may not see the model hears what everybody hears of a missing one.
        if caller.allowed(Permission::ReadModel, model.as_str()).is_err() {
            return ServingStatus::ServiceUnknown;
        }
        match self.state.application.model_ready(&model, &Selector::Production).await {
            Ok(ready) => serving(ready && is_ready(&self.state)),
            Err(_) => ServingStatus::ServiceUnknown,
        }
    }
}

const fn serving(ready: bool) -> ServingStatus {
    if ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}

#[async_trait]
impl Health for ModelHealth {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = Caller::of(request.extensions())?;
        match self.status_of(caller, &request.get_ref().service).await {
            ServingStatus::ServiceUnknown => Err(Status::not_found("there is no such service")),
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = Caller::of(request.extensions())?.clone();
        let watch = Watch {
            health: self.clone(),
            caller,
            service: request.into_inner().service,
            last: None,
            ended: false,
        };
        Ok(Response::new(Box::pin(futures_util::stream::unfold(watch, Watch::next))))
    }
}

/// One watcher.
struct Watch {
    health: ModelHealth,
    caller: Caller,
    service: String,
    last: Option<ServingStatus>,
    ended: bool,
}

impl Watch {
    /// The next status that differs from the last one told. A server that stops says so and ends.
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        let drain = self.health.state.stopping.drain.clone();
        while !self.ended {
            self.ended = drain.is_cancelled();
            let status = self.health.status_of(&self.caller, &self.service).await;
            if self.last != Some(status) {
                self.last = Some(status);
                return Some((Ok(HealthCheckResponse { status: status.into() }), self));
            }
            tokio::select! {
                () = drain.cancelled() => {}
                () = tokio::time::sleep(WATCH_INTERVAL) => {}
            }
        }
        None
    }
}
