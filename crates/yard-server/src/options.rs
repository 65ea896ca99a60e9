//! What the binary may set about the servers.

use std::{net::SocketAddr, time::Duration};

use yard_types::ModelName;

/// Addresses, limits and habits of the HTTP and gRPC servers. `Default` is what the reference documents.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where HTTP listens. Default: `127.0.0.1:8080`. Port 0 takes a free one.
    pub http_address: SocketAddr,
    /// Where gRPC listens; `None` for no gRPC. Default: `127.0.0.1:8081`. Port 0 takes a free one.
    pub grpc_address: Option<SocketAddr>,
    /// The model of `POST /predict`. Default: none, that is the only model there is.
    pub default_model: Option<ModelName>,
    /// Names and addresses, without port, that a request may give as its Host besides this machine's own loopback names.
    /// Default: none. On a listener that is not on a loopback address, none means any.
    pub allowed_hosts: Vec<String>,
    /// Origins, such as `https://console.example.org`, whose pages may call the API from a browser. Default: none, that
    /// is only pages from the server's own address.
    pub allowed_origins: Vec<String>,
    /// Let every request in as an administrator, without a key. Refused unless every listener is on a loopback address.
    /// Default: off.
    pub insecure_no_auth: bool,
    /// Longest time a predict request may take, if neither it nor its model says less. Default: 30 s.
    pub request_timeout: Duration,
    /// Longest time of an answer of a language model. Default: 10 minutes.
    pub answer_timeout: Duration,
    /// How long a stopping server waits for admitted requests before it gives up on them. Default: 30 s.
    pub shutdown_grace: Duration,
    /// Limits of every HTTP connection and body.
    pub http: HttpLimits,
    /// Limits of gRPC.
    pub grpc: GrpcLimits,
}

/// Limits of HTTP.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Most connections at a time; further ones wait in the kernel's queue. Default: 1,024.
    pub max_connections: usize,
    /// Most requests at work at a time, over HTTP and gRPC together; further ones are refused with 503. Default: 4,096.
    pub max_requests: usize,
    /// Most bytes of a request's head. Default: 32 KiB; never below 8 KiB.
    pub max_header_bytes: usize,
    /// Most bytes of a predict body, after decompression. Default: 64 MiB. Files of an upload have the registry's limits.
    pub max_body_bytes: usize,
    /// Most bytes of request bodies in memory, over HTTP and gRPC together; the first 64 KiB of each are not counted.
    /// Requests beyond it are refused with 503. Default: 1 GiB.
    pub max_buffered_bytes: usize,
    /// Most streams of events of jobs at a time; further ones are refused with 503. Default: 256.
    pub max_event_streams: usize,
    /// Longest time until a request's head has come in; an idle connection is closed after it as well. Default: 30 s.
    pub header_timeout: Duration,
    /// Longest pause between two pieces of a body, in or out. Default: 30 s.
    pub body_idle_timeout: Duration,
    /// Longest time for a whole body to come in, files of an upload excepted. Default: 120 s.
    pub body_timeout: Duration,
    /// Answers of fewer bytes are never compressed. Default: 1 KiB.
    pub min_compressed_bytes: usize,
}

/// Limits of gRPC.
#[derive(Debug, Clone)]
pub struct GrpcLimits {
    /// Most connections at a time. Default: 1,024.
    pub max_connections: usize,
    /// Most calls at a time on one connection. Default: 256.
    pub max_streams_per_connection: u32,
    /// Most bytes of a message, in or out, after decompression. Default: 64 MiB.
    pub max_message_bytes: usize,
    /// Whether server reflection answers (to callers with a key). Default: on.
    pub reflection: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            http_address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            grpc_address: Some(SocketAddr::from(([127, 0, 0, 1], 8081))),
            default_model: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            insecure_no_auth: false,
            request_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(600),
            shutdown_grace: Duration::from_secs(30),
            http: HttpLimits::default(),
            grpc: GrpcLimits::default(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_requests: 4096,
            max_header_bytes: 32 << 10,
            max_body_bytes: 64 << 20,
            max_buffered_bytes: 1 << 30,
            max_event_streams: 256,
            header_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(120),
            min_compressed_bytes: 1 << 10,
        }
    }
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_streams_per_connection: 256,
            max_message_bytes: 64 << 20,
            reflection: true,
        }
    }
}
