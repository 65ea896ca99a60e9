//! The server: the only crate that knows HTTP and gRPC.
//!
//! [`Application`] is what can be done with a Modelyard server; [`Server`] offers it to clients over HTTP/1.1 and gRPC.
//! Every request passes one gate (keys, permissions, rates, hosts), is found in one table of routes, and fails through
//! one table of statuses. Rules of models, versions and keys are not here: they are in `yard-registry`, `yard-serving`
//! and `yard-access`, and this crate knows no SQL and no engine.

mod application;
mod clock;
mod dispatch;
mod failure;
mod gate;
mod grpc;
mod heavy;
mod http;
mod metrics;
mod net;
mod openai;
mod openapi;
mod options;
mod predict;
mod routes;
mod server;
mod source;
mod state;

pub use application::{Application, ApplicationParts, JobResults, JobService};
pub use options::{GrpcLimits, HttpLimits, ServerOptions};
pub use routes::{RouteSummary, routes};
pub use server::{Server, StartError, StopReport};
pub use source::RegistrySource;
