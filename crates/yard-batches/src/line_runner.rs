//! What runs a line.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Endpoint, Owner};

/// A line to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineCall {
    /// For whom.
    pub owner: Owner,
    /// What it asks for.
    pub endpoint: Endpoint,
    /// How it asks, a JSON object.
    pub body: Bytes,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAnswer {
    /// As HTTP says it. With 429, 503 and 504 the line is run again later.
    pub status: u16,
    /// The id of the request that it became.
    pub request_id: String,
    /// The answer, a JSON document.
    pub body: String,
    /// When another try may succeed.
    pub retry_after: Option<Duration>,
}

/// Runs lines as the owner may run them at that moment.
#[async_trait]
pub trait LineRunner: Send + Sync {
    /// Runs a line to its end. Dropping this gives the line up.
    async fn run(&self, call: LineCall) -> LineAnswer;
}
