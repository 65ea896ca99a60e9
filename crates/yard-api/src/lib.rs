//! What crosses the wire: requests read into tensors, tensors written as answers, and the structs of every protocol.
//!
//! Each protocol has a module. All of them read bytes that anybody may send: every reader is bounded by the length of
//! what it was given, fails with a typed [`RequestError`], and neither recurses nor panics. [`openai`] differs in two
//! things: it recurses, 128 levels deep at most, and fails with an [`openai::ApiError`].
//!
//! This crate knows no web framework, no database and no engine. It does no I/O and picks no status code: errors say
//! what kind of failure they are ([`yard_types::Coded`]), the server maps that.

#![warn(missing_docs)]

mod data_error;
pub mod grpc;
mod json;
mod limits;
pub mod management;
pub mod openai;
pub mod openapi;
pub mod plain;
mod request_error;
pub mod v2;

pub use json::JsonError;
pub use request_error::{Part, RequestError};
