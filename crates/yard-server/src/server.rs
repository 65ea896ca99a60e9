//! Starting and stopping the listeners.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use yard_batches::LineRunner;

use crate::{
    application::Application,
    gate::HostRules,
    http::HttpService,
    net::{AcceptOptions, Acceptor, GuardedStream, Linger, Pace, Patience},
    openai::BatchLines,
    options::ServerOptions,
    state::ServerState,
};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("{surface} cannot listen on {address}")]
    Bind {
        /// `HTTP` or `gRPC`.
        surface: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Without keys, everybody who reaches the server owns it.
    #[error("a server without keys must listen on a loopback address, not on {address}")]
    NoKeysBeyondLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// What became of the requests of a server that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReport {
    /// Whether every admitted request was finished in time.
    pub finished: bool,
    /// Connections that were cut.
    pub abandoned: usize,
}

/// Running HTTP and gRPC listeners. Dropping it stops accepting, but waits for nobody: call [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    state: Arc<ServerState>,
    http_address: SocketAddr,
    grpc_address: Option<SocketAddr>,
    accept_loops: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds the addresses and begins to serve.
    pub async fn start(application: Application, options: ServerOptions) -> Result<Self, StartError> {
        options.check()?;
        let state = Arc::new(ServerState::new(application, options));
        let options = &state.options;
        let http = bind("HTTP", options.http_address, options.http.max_connections, &state).await?;
        let grpc = match options.grpc_address {
            Some(address) => Some(bind("gRPC", address, options.grpc.max_connections, &state).await?),
            None => None,
        };
        let (http, http_address) = http;
        let mut accept_loops = vec![tokio::spawn(serve_http(Arc::clone(&state), http, http_address))];
        let grpc_address = grpc.as_ref().map(|(_, address)| *address);
        if let Some((grpc, address)) = grpc {
            accept_loops.push(tokio::spawn(crate::grpc::serve(Arc::clone(&state), grpc, address)));
        }
        accept_loops.push(tokio::spawn(keep_an_early_timer(state.stopping.drain.clone())));
        Ok(Self { state, http_address, grpc_address, accept_loops })
    }

    /// Where HTTP listens, with the real port.
    pub const fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where gRPC listens, with the real port.
    pub const fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc_address
    }

    /// What the server can do.
    pub fn application(&self) -> &Application {
        &self.state.application
    }

    /// What runs the lines of batches: as requests of their owners, behind those that somebody waits for.
    pub fn batch_lines(&self) -> Arc<dyn LineRunner> {
        Arc::new(BatchLines::new(Arc::clone(&self.state)))
    }

    /// Takes no new connections and requests, finishes what was admitted, and gives up on what is left after
    /// [`ServerOptions::shutdown_grace`]. Stop serving afterwards, not before: admitted requests still need it.
    pub async fn stop(mut self) -> StopReport {
        let stopping = &self.state.stopping;
        stopping.drain.cancel();
        for accept_loop in self.accept_loops.drain(..) {
            // A loop ends by itself; one that panicked is at its end as well.
            let _ = accept_loop.await;
        }
        stopping.connections.close();
        self.state.background.close();
        let all = async {
            stopping.connections.wait().await;
            self.state.background.wait().await;
        };
        let finished = timeout(self.state.options.shutdown_grace, all).await.is_ok();
        let abandoned = stopping.connections.len();
        stopping.abandon.cancel();
        stopping.connections.wait().await;
        StopReport { finished, abandoned }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopping.drain.cancel();
    }
}

impl ServerOptions {
    /// Whether a server can be started with these; to be asked before anything else is begun.
    pub fn check(&self) -> Result<(), StartError> {
        let addresses = [Some(self.http_address), self.grpc_address];
        let exposed = addresses.into_iter().flatten().find(|address| !address.ip().is_loopback());
        match exposed {
            Some(address) if self.insecure_no_auth => Err(StartError::NoKeysBeyondLoopback { address }),
            _ => Ok(()),
        }
    }
}

/// Keeps a timer that runs out within a second.
///
/// Requests that wait for a compute thread set timers of their own. Where one is the earliest of all, tokio wakes its own
/// poll by a system call to have it looked at, on each request of a lone client; beside an earlier one it does not.
async fn keep_an_early_timer(until: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    while until.run_until_cancelled(ticks.tick()).await.is_some() {}
}

async fn bind(
    surface: &'static str,
    address: SocketAddr,
    max_connections: usize,
    state: &ServerState,
) -> Result<(Acceptor, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { surface, address, source };
    let options = AcceptOptions { max_connections };
    let acceptor = Acceptor::bind(address, options, state.stopping.clone()).await.map_err(failed)?;
    let bound = acceptor.address().map_err(failed)?;
    Ok((acceptor, bound))
}

async fn serve_http(state: Arc<ServerState>, acceptor: Acceptor, address: SocketAddr) {
    let options = &state.options;
    let hosts = Arc::new(HostRules::new(address, &options.allowed_hosts, &options.allowed_origins));
    let mut builder = http1::Builder::new();
    // Heads that do not come are the connection's own affair: see `Pace`.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(options.http.max_header_bytes.max(8 << 10));
    acceptor
        .run(|stream| serve_http_connection(builder.clone(), stream, Arc::clone(&state), Arc::clone(&hosts)))
        .await;
}

async fn serve_http_connection(
    builder: http1::Builder,
    stream: TcpStream,
    state: Arc<ServerState>,
    hosts: Arc<HostRules>,
) {
    let limits = &state.options.http;
    let (linger, pace) = (Linger::default(), Pace::default());
    let patience = Patience { pace: pace.clone(), limit: limits.header_timeout };
    let stream = GuardedStream::new(stream, limits.body_idle_timeout, linger.clone()).pace(pace.clone());
    let service = Arc::new(HttpService { state: Arc::clone(&state), hosts, linger, pace });
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.handle(request).await }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    state.stopping.drive(connection, patience, http1::Connection::graceful_shutdown).await;
}
