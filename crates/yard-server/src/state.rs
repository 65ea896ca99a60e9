//! What all requests of a server share.

use std::{sync::Arc, time::Instant};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    application::Application, gate::Gate, http::BodyBudget, metrics::RequestMetrics, net::Stopping,
    options::ServerOptions, routes::Router,
};

/// Shared by the HTTP and the gRPC listener.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) application: Application,
    pub(crate) gate: Gate,
    pub(crate) http_router: Router,
    pub(crate) grpc_router: Router,
    pub(crate) options: ServerOptions,
    pub(crate) metrics: RequestMetrics,
    pub(crate) bodies: BodyBudget,
    pub(crate) stopping: Stopping,
    /// One permit for each stream of events that may be open.
    pub(crate) event_streams: Arc<Semaphore>,
    /// Work that goes on when its client has left.
    pub(crate) background: TaskTracker,
    pub(crate) started: Instant,
}

impl ServerState {
    pub(crate) fn new(application: Application, options: ServerOptions) -> Self {
        Self {
            gate: Gate::new(Arc::clone(application.access()), &options),
            http_router: Router::for_http(),
            grpc_router: Router::for_grpc(),
            metrics: RequestMetrics::default(),
            bodies: BodyBudget::new(options.http.max_buffered_bytes),
            stopping: Stopping::default(),
            event_streams: Arc::new(Semaphore::new(options.http.max_event_streams)),
            background: TaskTracker::new(),
            started: Instant::now(),
            application,
            options,
        }
    }
}
