//! What was said so far.

use serde_json::Value;

use super::{error::ApiError, fields::Fields, parameters::Parameter};

/// Most messages of a request.
const MAX_MESSAGES: usize = 4096;
/// Most parts of a message.
const MAX_PARTS: usize = 4096;
/// Most functions that one message asks for.
const MAX_TOOL_CALLS: usize = 128;

const NOT_READ: &str = "the model reads text: parts must be of the type 'text'";

const MESSAGE: &[Parameter] = &[
    Parameter::works("role", "'system', 'developer', 'user', 'assistant' or 'tool'"),
    Parameter::works("content", "a text or a list of parts such as {\"type\": \"text\", \"text\": ...}"),
    Parameter::works("name", "a text that is not empty"),
    Parameter::works("tool_calls", "a list of at most 128 function calls, in a message of the assistant"),
    Parameter::works("tool_call_id", "the id of a call, in a message of the role 'tool'"),
    Parameter::works("reasoning_content", "a text, in a message of the assistant"),
    Parameter::works("reasoning", "a text, in a message of the assistant, without 'reasoning_content'"),
    Parameter::ignored("annotations", "where an answer came from is not told to the model"),
    Parameter::ignored("refusal", "templates know of no refusals"),
    Parameter::refused("audio", "the model reads text"),
    Parameter::refused("function_call", "use 'tool_calls'"),
];

const PART: &[Parameter] = &[
    Parameter::works("type", "'text'"),
    Parameter::works("text", "a text"),
    Parameter::refused("image_url", NOT_READ),
    Parameter::refused("video_url", NOT_READ),
    Parameter::refused("audio_url", NOT_READ),
    Parameter::refused("input_audio", NOT_READ),
    Parameter::refused("file", NOT_READ),
    Parameter::refused("refusal", NOT_READ),
];

const TOOL_CALL: &[Parameter] = &[
    Parameter::works("id", "a text that is not empty"),
    Parameter::works("type", "'function'"),
    Parameter::works("function", "an object with 'name' and 'arguments'"),
    // In a stream each part of a call has the call's place: clients that put the parts together leave it there.
    Parameter::ignored("index", "calls are in the order of the list"),
    Parameter::refused("custom", "tools are functions, of the type 'function'"),
];

const CALLED_FUNCTION: &[Parameter] = &[
    Parameter::works("name", "a text that is not empty"),
    Parameter::works("arguments", "a text that holds a JSON object"),
];

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatRole {
    /// Whoever runs the application: `system` or `developer`.
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
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// The text; empty if the assistant only asks for functions.
    pub content: String,
    /// What the model thought before.
    pub reasoning: Option<String>,
    /// Functions that the model asks for.
    pub tool_calls: Vec<MessageToolCall>,
    /// Which call this is the result of: there if, and only if, a tool says it.
    pub tool_call_id: Option<String>,
    /// One among several who have the same role.
    pub name: Option<String>,
}

/// A function that the model asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageToolCall {
    /// Names the call.
    pub id: String,
    /// Names the function.
    pub name: String,
    /// The arguments: an object.
    pub arguments: Value,
}

impl ChatMessage {
    pub(crate) fn take_all(fields: &mut Fields) -> Result<Vec<Self>, ApiError> {
        let values = fields.list("messages", MAX_MESSAGES)?;
        let values = fields.needed("messages", values)?;
        if values.is_empty() {
            return Err(fields.invalid("messages"));
        }
        let mut messages = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let place = format!("messages[{index}]");
            let message = Fields::of_object(&place, value, "an object with 'role' and 'content'", MESSAGE)?;
            messages.push(Self::read(message)?);
        }
        Ok(messages)
    }

    fn read(mut fields: Fields) -> Result<Self, ApiError> {
        let role = fields.text("role")?;
        let role = match fields.needed("role", role)?.as_str() {
            "system" | "developer" => ChatRole::System,
            "user" => ChatRole::User,
            "assistant" => ChatRole::Assistant,
            "tool" => ChatRole::Tool,
            _ => return Err(fields.invalid("role")),
        };
        for (name, belongs_to) in [
            ("tool_calls", ChatRole::Assistant),
            ("reasoning_content", ChatRole::Assistant),
            ("reasoning", ChatRole::Assistant),
            ("tool_call_id", ChatRole::Tool),
        ] {
            if fields.has(name) && role != belongs_to {
                return Err(fields.invalid(name));
            }
        }
        let tool_calls = MessageToolCall::take_all(&mut fields)?;
        let content = take_content(&mut fields)?;
        let content = match content {
            None if tool_calls.is_empty() => fields.needed("content", content)?,
            content => content.unwrap_or_default(),
        };
        let tool_call_id = fields.filled_text("tool_call_id")?;
        if role == ChatRole::Tool {
            fields.needed("tool_call_id", tool_call_id.as_ref())?;
        }
        let name = fields.filled_text("name")?;
        let reasoning = take_reasoning(&mut fields)?;
        Ok(Self { role, content, reasoning, tool_calls, tool_call_id, name })
    }
}

fn take_reasoning(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    match (fields.text("reasoning_content")?, fields.text("reasoning")?) {
        (Some(_), Some(_)) => Err(fields.invalid("reasoning")),
        (reasoning_content, reasoning) => Ok(reasoning_content.or(reasoning)),
    }
}

/// A text, or the texts of parts with nothing between them.
fn take_content(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    let parts = match fields.take("content") {
        None => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text)),
        Some(Value::Array(parts)) if (1..=MAX_PARTS).contains(&parts.len()) => parts,
        Some(_) => return Err(fields.invalid("content")),
    };
    let mut content = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let place = format!("{}[{index}]", fields.path("content"));
        content.push_str(&read_part(&place, part)?);
    }
    Ok(Some(content))
}

fn read_part(place: &str, part: Value) -> Result<String, ApiError> {
    // By its type first: whatever else an image has, it is not read.
    let kind = part.get("type").and_then(Value::as_str);
    if let Some(kind @ ("image_url" | "video_url" | "audio_url" | "input_audio" | "file" | "refusal")) = kind
    {
        let message = format!("'{place}' is of the type '{kind}', which is not supported: {NOT_READ}");
        return Err(ApiError { message, param: Some(place.to_owned()), code: Some("unsupported_parameter") });
    }
    let mut part =
        Fields::of_object(place, part, "an object such as {\"type\": \"text\", \"text\": ...}", PART)?;
    let kind = part.text("type")?;
    if part.needed("type", kind)? != "text" {
        return Err(part.invalid("type"));
    }
    let text = part.text("text")?;
    part.needed("text", text)
}

impl MessageToolCall {
    fn take_all(fields: &mut Fields) -> Result<Vec<Self>, ApiError> {
        let values = fields.list("tool_calls", MAX_TOOL_CALLS)?.unwrap_or_default();
        let list = fields.path("tool_calls");
        let mut calls = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            calls.push(Self::read(&format!("{list}[{index}]"), value)?);
        }
        Ok(calls)
    }

    fn read(place: &str, value: Value) -> Result<Self, ApiError> {
        let mut call =
            Fields::of_object(place, value, "an object with 'id', 'type' and 'function'", TOOL_CALL)?;
        let kind = call.text("type")?;
        if kind.is_some_and(|kind| kind != "function") {
            return Err(call.invalid("type"));
        }
        let id = call.filled_text("id")?;
        let id = call.needed("id", id)?;
        let function = call.fields("function", CALLED_FUNCTION)?;
        let mut function = call.needed("function", function)?;
        let name = function.filled_text("name")?;
        let name = function.needed("name", name)?;
        let arguments = function.text("arguments")?;
        let arguments = function.needed("arguments", arguments)?;
        let arguments = serde_json::from_str(&arguments).ok().filter(Value::is_object);
        let arguments = arguments.ok_or_else(|| function.invalid("arguments"))?;
        Ok(Self { id, name, arguments })
    }
}
