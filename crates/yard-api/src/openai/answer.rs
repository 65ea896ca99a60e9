//! What is answered. Field by field in the order of the API's documentation.

mod chat;
mod completion;
mod embedding;
mod logprobs;
mod models;
mod rerank;
mod tokens;
mod usage;

use serde::Serialize;

pub use chat::{
    AssistantMessage, CalledFunction, ChatChoice, ChatCompletion, ChatCompletionChunk, ChatDelta,
    ChunkChoice, ToolCallBody, ToolCallDelta,
};
pub use completion::{Completion, CompletionChoice};
pub use embedding::{EmbeddingList, EmbeddingObject, EmbeddingUsage, EmbeddingVector};
pub use logprobs::{ChatLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob, TopLogprobs};
pub use models::{ModelList, ModelObject};
pub use rerank::{RerankAnswer, RerankDocument, RerankResult};
pub use tokens::{TokenList, TokenText};
pub use usage::{CompletionTokensDetails, PromptTokensDetails, StreamUsage, Usage};

/// What an answer begins with. All events of a stream have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// Names the answer.
    pub id: String,
    /// When it was begun: seconds since 1970.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// What the answer depends on besides the request, such as the model's version.
    pub system_fingerprint: Option<String>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop text did.
    Stop,
    /// As many tokens as were allowed.
    Length,
    /// The model asks for functions.
    ToolCalls,
}
