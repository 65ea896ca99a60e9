//! gRPC: the Open Inference Protocol, health and reflection, on a listener of their own.
//!
//! Calls pass the same gate and the same table of routes as HTTP requests, and fail with the same texts.

mod caller;
mod health;
mod inference;
mod messages;
mod service;
mod stream;
mod weight;

use std::{net::SocketAddr, sync::Arc};

use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tonic::{codec::CompressionEncoding, service::Routes};
use yard_api::grpc::{FILE_DESCRIPTOR_SET, proto::grpc_inference_service_server::GrpcInferenceServiceServer};

use crate::{
    gate::HostRules,
    net::{Acceptor, GuardedStream, Linger, Pace, Patience},
    state::ServerState,
};

use service::GrpcService;

/// How often an idle connection is asked whether anybody is there.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(60);

/// The preface of HTTP/2 and the head of the frame of settings that must follow: with these a client has shown itself.
const OPENING_BYTES: usize = 24 + 9;

/// Serves connections until draining begins.
pub(crate) async fn serve(state: Arc<ServerState>, acceptor: Acceptor, address: SocketAddr) {
    let options = &state.options;
    let hosts = Arc::new(HostRules::new(address, &options.allowed_hosts, &options.allowed_origins));
    let routes = routes(&state);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.grpc.max_streams_per_connection)
        .max_header_list_size(u32::try_from(options.http.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(options.http.header_timeout)
        // Tensors are large: the usual window of 64 KiB would make each wait for many round trips.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    acceptor
        .run(|stream| {
            let service =
                GrpcService { state: Arc::clone(&state), hosts: Arc::clone(&hosts), routes: routes.clone() };
            serve_connection(builder.clone(), stream, service)
        })
        .await;
}

fn routes(state: &Arc<ServerState>) -> Routes {
    let limits = &state.options.grpc;
    let inference = GrpcInferenceServiceServer::new(inference::Inference { state: Arc::clone(state) })
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(limits.max_message_bytes)
        .max_encoding_message_size(limits.max_message_bytes);
    let mut routes = Routes::new(inference).add_service(health::service(Arc::clone(state)));
    if limits.reflection {
        routes = add_reflection(routes);
    }
    routes.prepare()
}

/// Both versions of reflection: most tools still ask for the older one.
fn add_reflection(routes: Routes) -> Routes {
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (describe().build_v1(), describe().build_v1alpha()) {
        (Ok(newer), Ok(older)) => routes.add_service(newer).add_service(older),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "reflection is not offered");
            routes
        }
    }
}

async fn serve_connection(builder: http2::Builder<TokioExecutor>, stream: TcpStream, service: GrpcService) {
    let state = Arc::clone(&service.state);
    let limits = &state.options.http;
    let pace = Pace::default();
    let patience = Patience { pace: pace.clone(), limit: limits.header_timeout };
    let stream = GuardedStream::new(stream, limits.body_idle_timeout, Linger::default())
        .pace(pace)
        .opening(OPENING_BYTES);
    let service = Arc::new(service);
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.handle(request).await }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    state.stopping.drive(connection, patience, http2::Connection::graceful_shutdown).await;
}
