//! A typed client of a Modelyard server: the management API, predictions over REST and over gRPC, and chats with
//! language models.
//!
//! The command line and the tests use it, and so may any Rust program. Every call is bounded in time and in the size of
//! the answer it accepts, and fails with a [`ClientError`] that says what to do. It reads no environment variable and
//! no configuration file, follows no redirect and uses no proxy: it talks to the one server it was given.
//!
//! It is not a place for rules: what a server refuses, the server refuses.
//!
//! ```no_run
//! # async fn example() -> Result<(), yard_client::ClientError> {
//! use yard_client::{ApiKey, Client, ClientOptions, ServerAddress};
//!
//! let address: ServerAddress = "http://127.0.0.1:8080".parse()?;
//! let client = Client::new(address, Some(ApiKey::new("my_id_secret")?), ClientOptions::default())?;
//! for model in client.models().await? {
//!     println!("{} has {} versions", model.name, model.versions);
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod access;
mod address;
mod chat;
mod client;
mod data_sets;
mod error;
mod event_reader;
mod grpc;
mod job_events;
mod jobs;
mod models;
mod operations;
mod package;
mod pull;
mod push;
mod refusal;
mod transfer;
mod uploads;
mod v2;

pub use access::{AuditQuery, UsageQuery};
pub use address::{AddressError, ServerAddress};
pub use chat::{ChatAnswer, ChatEnd, ChatFinish, ChatMessage, ChatOptions, ChatPart, ChatRole, ChatUsage};
pub use client::{ApiKey, Client, ClientOptions, MalformedKey};
pub use error::{ClientError, Refusal};
pub use grpc::GrpcClient;
pub use job_events::{JobEvents, JobNews};
pub use jobs::JobsQuery;
pub use package::{LocalFile, LocalPackage, PackageError};
pub use pull::Pulled;
pub use push::{PushOptions, Pushed};
pub use transfer::{Progress, ProgressSink, TransferStep};
pub use v2::{InferAnswer, ModelMetadata, TensorForm};
