//! What is said, by whom.

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

/// A chat, as far as it has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// What was said, in order.
    pub messages: Vec<Message>,
    /// Functions that the model may ask for, as OpenAI's API describes them: `{"type": "function", "function": {...}}`.
    pub tools: Vec<Value>,
    /// Whether the text ends where the assistant's next message begins.
    pub begin_answer: bool,
    /// What a template that asks for the time is told. Equal conversations give equal texts if it is equal.
    pub now: Option<DateTime>,
    /// Further names that templates know, such as `enable_thinking`.
    pub settings: Map<String, Value>,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whoever runs the application.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
    /// A function that the model has asked for.
    Tool,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// The text.
    pub content: String,
    /// What the model thought before, if that is kept apart.
    pub reasoning: Option<String>,
    /// Functions that the model asks for.
    pub tool_calls: Vec<ToolCall>,
    /// Which of them a function's result belongs to.
    pub tool_call_id: Option<String>,
    /// The name of a function, or of one among several users.
    pub name: Option<String>,
}

/// A function that the model asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Names the call.
    pub id: String,
    /// Names the function.
    pub name: String,
    /// The arguments: an object.
    pub arguments: Value,
}

impl Role {
    /// What templates call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl Message {
    /// A text and nothing else.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// As templates see it: what is not there has no key, since templates ask whether it has one.
    pub(crate) fn to_value(&self) -> Value {
        let mut value = json!({ "role": self.role.as_str(), "content": self.content });
        if let Some(reasoning) = &self.reasoning {
            value["reasoning_content"] = json!(reasoning);
        }
        if !self.tool_calls.is_empty() {
            value["tool_calls"] = self.tool_calls.iter().map(ToolCall::to_value).collect();
        }
        for (key, text) in [("tool_call_id", &self.tool_call_id), ("name", &self.name)] {
            if let Some(text) = text {
                value[key] = json!(text);
            }
        }
        value
    }
}

impl ToolCall {
    fn to_value(&self) -> Value {
        let function = json!({ "name": self.name, "arguments": self.arguments });
        json!({ "id": self.id, "type": "function", "function": function })
    }
}
