//! The bodies of the OpenAI-compatible API under `/v1`.
//!
//! Requests are checked one field after the other, so that an error names the field and says what belongs there. Each
//! field of a route stands in one table ([`parameters`]): it works, is ignored for a stated reason, or is refused for a
//! stated reason; any other is unknown and refused. `null` is as good as nothing, and so is a field that is given twice
//! an error. What a request asks of a model, such as a token beyond its vocabulary, is checked by whoever knows the
//! model.
//!
//! Answers are written in the order of fields that the API documents. Errors of every kind have the form of
//! [`ErrorBody`]; which status goes with them is up to the server.

mod answer;
mod chat;
mod completions;
mod embeddings;
mod error;
mod fields;
mod messages;
mod output_format;
mod parameters;
mod rerank;
mod responses;
mod sampling;
mod stream;
mod tokens;
mod tools;

pub use answer::{
    AnswerHead, AssistantMessage, CalledFunction, ChatChoice, ChatCompletion, ChatCompletionChunk, ChatDelta,
    ChatLogprobs, ChunkChoice, Completion, CompletionChoice, CompletionLogprobs, CompletionTokensDetails,
    EmbeddingList, EmbeddingObject, EmbeddingUsage, EmbeddingVector, FinishReason, ModelList, ModelObject,
    PromptTokensDetails, RerankAnswer, RerankDocument, RerankResult, StreamUsage, TokenList, TokenLogprob,
    TokenText, ToolCallBody, ToolCallDelta, TopLogprob, TopLogprobs, Usage,
};
pub use chat::ChatRequest;
pub use completions::{CompletionRequest, TextOrTokens};
pub use embeddings::{EmbeddingRequest, EncodingFormat};
pub use error::{ApiError, ErrorBody, ErrorDetail};
pub use messages::{ChatMessage, ChatRole, MessageToolCall};
pub use output_format::OutputFormat;
pub use parameters::{Parameter, Route, Support, parameters};
pub use rerank::RerankRequest;
pub use responses::{
    ItemStatus, OutputItem, OutputText, ResponseEvent, ResponseObject, ResponseStream, ResponsesRequest,
};
pub use sampling::{SamplingFields, StreamOptions};
pub use stream::{DONE, StreamEvent, server_sent};
pub use tokens::{DetokenizeRequest, TokenizeInput, TokenizeRequest};
pub use tools::{FunctionTool, ToolChoice};

#[cfg(test)]
mod tests;
