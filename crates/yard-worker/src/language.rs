//! The messages of a language model.
//!
//! What a model does is not known here: the program that runs as the worker does it. Its child is of the concurrent kind
//! ([`crate::serve_concurrent_child`]), its parent a [`crate::SharedWorker`].

mod messages {
    #![allow(clippy::all, missing_debug_implementations, unreachable_pub, reason = "generated")]

    include!(concat!(env!("OUT_DIR"), "/modelyard.worker.language.v1.rs"));
}

use yard_types::ErrorCode;

pub use messages::{
    Begun, Bias, Chat, ChatMessage, ChatToolCall, DecodeRequest, DecodeResponse, Element, EmbedRequest,
    EmbedResponse, Embedding, EncodeRequest, EncodeResponse, EndReason, Ended, GenerateEvent,
    GenerateRequest, GenerateResponse, Grammar, LoadEvent, LoadRequest, LoadResponse, Loaded, Pooling,
    Priority, Refusal, Sampling, StatsRequest, StatsResponse, Terms, Text, Token, TokenProbability, Tokens,
    Usage, decode_response, embed_response, encode_request, encode_response, generate_event,
    generate_response, grammar, load_response,
};

/// The kind of a [`crate::Request`] that carries a [`LoadRequest`]; its events carry [`LoadEvent`]s and its answer a
/// [`LoadResponse`].
pub const LOAD: &str = "load";
/// The kind of a [`crate::Request`] that carries an [`EncodeRequest`]; its answer carries an [`EncodeResponse`].
pub const ENCODE: &str = "encode";
/// The kind of a [`crate::Request`] that carries a [`DecodeRequest`]; its answer carries a [`DecodeResponse`].
pub const DECODE: &str = "decode";
/// The kind of a [`crate::Request`] that carries a [`GenerateRequest`]; its events carry [`GenerateEvent`]s and its answer
/// a [`GenerateResponse`].
pub const GENERATE: &str = "generate";
/// The kind of a [`crate::Request`] that carries an [`EmbedRequest`]; its answer carries an [`EmbedResponse`].
pub const EMBED: &str = "embed";
/// The kind of a [`crate::Request`] that carries a [`StatsRequest`]; its answer carries a [`StatsResponse`].
pub const STATS: &str = "stats";

impl Refusal {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into() }
    }

    /// What kind of failure; a code that is not known is a fault of ours.
    pub fn error_code(&self) -> ErrorCode {
        let known = ErrorCode::ALL.into_iter().find(|code| code.as_str() == self.code);
        known.unwrap_or(ErrorCode::Internal)
    }
}
