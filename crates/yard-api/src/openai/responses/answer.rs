//! A response: what is answered in the end, and what the events of a stream say of it before.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{ResponsesRequest, text, tools};
use crate::openai::{AnswerHead, ErrorBody, FinishReason, TokenLogprob, Usage};

/// An answer, with what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResponseObject {
    id: String,
    object: &'static str,
    created_at: u64,
    status: ResponseStatus,
    background: bool,
    completed_at: Option<u64>,
    error: Option<ResponseError>,
    incomplete_details: Option<IncompleteDetails>,
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    max_tool_calls: Option<()>,
    metadata: Map<String, Value>,
    model: String,
    output: Vec<OutputItem>,
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    reasoning: Option<()>,
    service_tier: &'static str,
    store: bool,
    temperature: f32,
    text: Value,
    tool_choice: Value,
    tools: Vec<Value>,
    top_logprobs: u32,
    top_p: f32,
    truncation: &'static str,
    usage: Option<ResponseUsage>,
    user: Option<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ResponseStatus {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ResponseError {
    code: &'static str,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct IncompleteDetails {
    reason: &'static str,
}

/// What the model gives: something that it says, or a function that it asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct OutputItem(Item);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message { id: String, status: ItemStatus, role: &'static str, content: Vec<OutputText> },
    FunctionCall { id: String, status: ItemStatus, call_id: String, name: String, arguments: String },
}

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// More of it comes.
    InProgress,
    /// It is as the model meant it.
    Completed,
    /// It was cut.
    Incomplete,
}

/// A text of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputText {
    #[serde(rename = "type")]
    kind: &'static str,
    annotations: [(); 0],
    /// How probable its tokens were; none if that was not asked for.
    pub(super) logprobs: Vec<TokenLogprob>,
    pub(super) text: String,
}

/// How many tokens a response took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct ResponseUsage {
    input_tokens: u64,
    input_tokens_details: InputTokensDetails,
    output_tokens: u64,
    output_tokens_details: OutputTokensDetails,
    total_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct InputTokensDetails {
    cached_tokens: u64,
    /// Always 0: what is kept of a prompt is kept without being asked, at no price.
    cache_write_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct OutputTokensDetails {
    reasoning_tokens: u64,
}

// === impl ResponseObject ===

impl ResponseObject {
    /// An answer that has nothing yet.
    #[must_use]
    pub fn begin(head: &AnswerHead, request: &ResponsesRequest) -> Self {
        let chat = &request.chat;
        Self {
            id: head.id.clone(),
            object: "response",
            created_at: head.created,
            status: ResponseStatus::InProgress,
            background: false,
            completed_at: None,
            error: None,
            incomplete_details: None,
            instructions: request.instructions.clone(),
            max_output_tokens: chat.sampling.max_tokens,
            max_tool_calls: None,
            metadata: request.metadata.clone(),
            model: head.model.clone(),
            output: Vec::new(),
            parallel_tool_calls: chat.parallel_tool_calls,
            previous_response_id: None,
            reasoning: None,
            service_tier: "default",
            store: false,
            temperature: chat.sampling.temperature,
            text: text::written(&chat.output),
            tool_choice: tools::choice_written(&chat.tool_choice),
            tools: chat.tools.iter().map(tools::written).collect(),
            top_logprobs: chat.sampling.logprobs.unwrap_or(0),
            top_p: chat.sampling.top_p,
            truncation: "disabled",
            usage: None,
            user: None,
        }
    }

    /// It has come to its end at this moment, in seconds since 1970.
    #[must_use]
    pub fn end(self, output: Vec<OutputItem>, reason: FinishReason, usage: Usage, moment: u64) -> Self {
        let usage = Some(ResponseUsage::of(usage));
        match reason {
            FinishReason::Stop | FinishReason::ToolCalls => {
                Self { status: ResponseStatus::Completed, completed_at: Some(moment), output, usage, ..self }
            }
            FinishReason::Length => Self {
                status: ResponseStatus::Incomplete,
                incomplete_details: Some(IncompleteDetails { reason: "max_output_tokens" }),
                output,
                usage,
                ..self
            },
        }
    }

    /// It ends before its time.
    #[must_use]
    pub fn fail(self, output: Vec<OutputItem>, error: ErrorBody) -> Self {
        // There are other words for kinds of failures here, and only these fit.
        let code = match error.error.kind {
            "rate_limit_error" => "rate_limit_exceeded",
            "invalid_request_error" => "invalid_prompt",
            _ => "server_error",
        };
        let error = Some(ResponseError { code, message: error.error.message });
        Self { status: ResponseStatus::Failed, error, output, ..self }
    }

    /// The event that a stream has at this state of the answer.
    pub(super) const fn event_name(&self) -> &'static str {
        match self.status {
            ResponseStatus::InProgress => "response.in_progress",
            ResponseStatus::Completed => "response.completed",
            ResponseStatus::Incomplete => "response.incomplete",
            ResponseStatus::Failed => "response.failed",
        }
    }
}

// === impl OutputItem ===

impl OutputItem {
    /// Something that the model says.
    #[must_use]
    pub fn message(id: impl Into<String>, status: ItemStatus, text: OutputText) -> Self {
        Self(Item::Message { id: id.into(), status, role: "assistant", content: vec![text] })
    }

    /// Something that the model begins to say.
    #[must_use]
    pub fn message_begun(id: impl Into<String>) -> Self {
        let status = ItemStatus::InProgress;
        Self(Item::Message { id: id.into(), status, role: "assistant", content: Vec::new() })
    }

    /// A function that the model asks for. `call_id` is what its result is sent with; the arguments are JSON text.
    #[must_use]
    pub fn function_call(
        id: impl Into<String>,
        status: ItemStatus,
        call_id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self(Item::FunctionCall {
            id: id.into(),
            status,
            call_id: call_id.into(),
            name: name.into(),
            arguments: arguments.into(),
        })
    }
}

// === impl ItemStatus ===

impl ItemStatus {
    /// Of an item with which an answer ends.
    #[must_use]
    pub const fn at_end(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Stop | FinishReason::ToolCalls => Self::Completed,
            FinishReason::Length => Self::Incomplete,
        }
    }
}

// === impl OutputText ===

impl OutputText {
    /// A text with how probable its tokens were, or with none of that.
    #[must_use]
    pub const fn new(text: String, logprobs: Vec<TokenLogprob>) -> Self {
        Self { kind: "output_text", annotations: [], logprobs, text }
    }
}

// === impl ResponseUsage ===

impl ResponseUsage {
    fn of(usage: Usage) -> Self {
        let details = usage.completion_tokens_details;
        let cached_tokens = usage.prompt_tokens_details.cached_tokens;
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokensDetails { cached_tokens, cache_write_tokens: 0 },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokensDetails {
                reasoning_tokens: details.map_or(0, |details| details.reasoning_tokens),
            },
            total_tokens: usage.total_tokens,
        }
    }
}
