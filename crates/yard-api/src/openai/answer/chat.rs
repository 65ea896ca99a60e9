//! `POST /v1/chat/completions`: what is answered, at once or event by event.

use serde::Serialize;

use super::{AnswerHead, ChatLogprobs, FinishReason, StreamUsage, Usage};

const ASSISTANT: &str = "assistant";
const FUNCTION: &str = "function";

/// Answers to a chat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatCompletion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// How many tokens they took.
    pub usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatChoice {
    /// Which of the answers.
    pub index: u32,
    /// What the model says.
    pub message: AssistantMessage,
    /// How probable its tokens were, if that was asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ends.
    pub finish_reason: FinishReason,
}

/// What the model says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssistantMessage {
    role: &'static str,
    /// The text; none if it only asks for functions.
    pub content: Option<String>,
    refusal: Option<()>,
    /// What it thought before, if that is kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Functions that it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallBody>,
}

/// A function that the model asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCallBody {
    /// Names the call.
    pub id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The function.
    pub function: CalledFunction,
}

/// A function with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalledFunction {
    /// Names the function.
    pub name: String,
    /// The arguments, as JSON text.
    pub arguments: String,
}

/// An event of a stream of answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatCompletionChunk {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<String>,
    /// Answers that have gone on; none in an event that tells the usage.
    pub choices: Vec<ChunkChoice>,
    /// How many tokens they took.
    #[serde(skip_serializing_if = "StreamUsage::is_left_out")]
    pub usage: StreamUsage,
}

/// How an answer has gone on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkChoice {
    /// Which of the answers.
    pub index: u32,
    /// What has been added.
    pub delta: ChatDelta,
    /// How probable its tokens were, if that was asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ends, if it does.
    pub finish_reason: Option<FinishReason>,
}

/// What has been added to an answer. The default is nothing, which goes with its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChatDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Functions and their arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
}

/// What has been added to a function call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCallDelta {
    /// Which of the answer's calls.
    pub index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

// === impl ChatCompletion ===

impl ChatCompletion {
    /// With this beginning.
    #[must_use]
    pub fn new(head: &AnswerHead, choices: Vec<ChatChoice>, usage: Usage) -> Self {
        let AnswerHead { id, created, model, system_fingerprint } = head.clone();
        Self { id, object: "chat.completion", created, model, choices, usage, system_fingerprint }
    }
}

// === impl AssistantMessage ===

impl AssistantMessage {
    /// A text, or nothing yet.
    #[must_use]
    pub const fn new(content: Option<String>) -> Self {
        Self { role: ASSISTANT, content, refusal: None, reasoning_content: None, tool_calls: Vec::new() }
    }
}

// === impl ToolCallBody ===

impl ToolCallBody {
    /// A call of a function; the arguments are JSON text.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        let function = CalledFunction { name: name.into(), arguments: arguments.into() };
        Self { id: id.into(), kind: FUNCTION, function }
    }
}

// === impl ChatCompletionChunk ===

impl ChatCompletionChunk {
    /// With this beginning.
    #[must_use]
    pub fn new(head: &AnswerHead, choices: Vec<ChunkChoice>, usage: StreamUsage) -> Self {
        let AnswerHead { id, created, model, system_fingerprint } = head.clone();
        Self { id, object: "chat.completion.chunk", created, model, system_fingerprint, choices, usage }
    }
}

// === impl ChatDelta ===

impl ChatDelta {
    /// The first: who speaks, and no text yet.
    #[must_use]
    pub fn first() -> Self {
        Self { role: Some(ASSISTANT), content: Some(String::new()), ..Self::default() }
    }

    /// More text.
    #[must_use]
    pub fn content(text: impl Into<String>) -> Self {
        Self { content: Some(text.into()), ..Self::default() }
    }

    /// More thoughts.
    #[must_use]
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self { reasoning_content: Some(text.into()), ..Self::default() }
    }

    /// A function call that begins or goes on.
    #[must_use]
    pub fn tool_call(call: ToolCallDelta) -> Self {
        Self { tool_calls: vec![call], ..Self::default() }
    }
}

// === impl ToolCallDelta ===

impl ToolCallDelta {
    /// A call begins; its arguments follow.
    #[must_use]
    pub fn begin(index: u32, id: impl Into<String>, name: impl Into<String>) -> Self {
        let function = FunctionDelta { name: Some(name.into()), arguments: String::new() };
        Self { index, id: Some(id.into()), kind: Some(FUNCTION), function }
    }

    /// More of a call's arguments, which are JSON text.
    #[must_use]
    pub fn arguments(index: u32, text: impl Into<String>) -> Self {
        Self { index, id: None, kind: None, function: FunctionDelta { name: None, arguments: text.into() } }
    }
}
