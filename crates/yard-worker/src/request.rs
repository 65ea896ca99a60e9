//! What is asked of a worker and what it answers, whatever the work is.

use bytes::Bytes;
use prost::Message;

/// A request: a kind and a message that the kind tells how to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    kind: String,
    payload: Bytes,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    payload: Bytes,
}

/// The worker does not know the kind of a request, or cannot read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub(crate) String);

impl Request {
    /// A request that carries this message.
    pub fn new(kind: &str, message: &impl Message) -> Self {
        Self::from_bytes(kind, message.encode_to_vec())
    }

    /// A request that carries these bytes.
    pub fn from_bytes(kind: &str, payload: impl Into<Bytes>) -> Self {
        Self { kind: kind.to_owned(), payload: payload.into() }
    }

    /// What is asked for.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The bytes it carries.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The message it carries.
    pub fn decode<M: Message + Default>(&self) -> Result<M, BadRequest> {
        M::decode(self.payload.clone()).map_err(|error| {
            BadRequest(format!("a request of the kind '{}' cannot be read: {error}", self.kind))
        })
    }

    /// What to answer to a kind of request that the worker does not know.
    pub fn unknown(&self) -> BadRequest {
        BadRequest(format!("this worker knows no requests of the kind '{}'", self.kind))
    }

    pub(crate) fn into_parts(self) -> (String, Bytes) {
        (self.kind, self.payload)
    }
}

impl Response {
    /// An answer that carries this message.
    pub fn new(message: &impl Message) -> Self {
        Self::from_bytes(message.encode_to_vec())
    }

    /// An answer that carries these bytes.
    pub fn from_bytes(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into() }
    }

    /// The bytes it carries.
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The message it carries.
    pub fn decode<M: Message + Default>(&self) -> Result<M, crate::WorkerError> {
        M::decode(self.payload.clone()).map_err(|error| crate::WorkerError::Protocol {
            what: "its answer cannot be read",
            source: Some(Box::new(error)),
        })
    }

    pub(crate) fn into_payload(self) -> Bytes {
        self.payload
    }
}
