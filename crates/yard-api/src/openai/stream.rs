//! Answers that come piece by piece.

use serde::Serialize;

use super::{
    answer::{ChatCompletionChunk, Completion},
    error::ErrorBody,
};

/// What a stream ends with.
pub const DONE: &str = "data: [DONE]\n\n";

/// What can be sent as an event of a stream: structs of this module, of which each can be written as JSON.
pub trait StreamEvent: Serialize + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for ChatCompletionChunk {}
impl sealed::Sealed for Completion {}
impl sealed::Sealed for ErrorBody {}
impl StreamEvent for ChatCompletionChunk {}
impl StreamEvent for Completion {}
impl StreamEvent for ErrorBody {}

/// An event of a stream.
#[must_use]
pub fn server_sent(event: &impl StreamEvent) -> String {
    let json = serde_json::to_string(event).expect("structs with text keys can be written to memory");
    // Line ends within texts are escaped in JSON: the event is one line.
    format!("data: {json}\n\n")
}
