//! The server as its clients see it: a real registry on SQLite, real engines, real sockets.

#![expect(clippy::unwrap_used, reason = "a test that fails should stop")]

mod batches;
mod bodies;
mod data_sets;
mod gate;
mod grpc;
mod grpc_limits;
mod harness;
mod job_events;
mod jobs;
mod leaving;
mod load;
mod management;
mod metrics;
mod permissions;
mod predict;
mod stopping;
