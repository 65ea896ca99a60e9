//! What was said so far, as a text or as a list of items.
//!
//! Items are finer than messages: a message of the assistant and the functions that it asks for are items of their own,
//! and become one message again.

use serde_json::Value;

use crate::openai::{
    error::ApiError,
    fields::Fields,
    messages::{ChatMessage, ChatRole, MessageToolCall},
    parameters::Parameter,
};

/// Most items of a request.
const MAX_ITEMS: usize = 4096;
/// Most parts of an item.
const MAX_PARTS: usize = 4096;
/// Most functions that one message asks for.
const MAX_TOOL_CALLS: usize = 128;

const IN_ORDER: &str = "items are told apart by their places in the list";
const NOT_READ: &str = "the model reads text: parts must be of the type 'input_text' or 'output_text'";
const CALLERS: &str = "the model alone asks for functions";

const MESSAGE: &[Parameter] = &[
    Parameter::works("type", "'message'"),
    Parameter::works("role", "'system', 'developer', 'user' or 'assistant'"),
    Parameter::works(
        "content",
        "a text or a list of parts such as {\"type\": \"input_text\", \"text\": ...}",
    ),
    Parameter::ignored("id", IN_ORDER),
    Parameter::ignored("phase", "templates know of no phases"),
    Parameter::ignored("status", "what was said is read as it is"),
];

const PART: &[Parameter] = &[
    Parameter::works("type", "'input_text' or 'output_text'"),
    Parameter::works("text", "a text"),
    Parameter::ignored("annotations", "where an answer came from is not told to the model"),
    Parameter::ignored("logprobs", "how probable an answer was is not told to the model"),
    Parameter::ignored("prompt_cache_breakpoint", "prompts that begin alike are found without it"),
];

const FUNCTION_CALL: &[Parameter] = &[
    Parameter::works("type", "'function_call'"),
    Parameter::works("call_id", "a text that is not empty"),
    Parameter::works("name", "a text that is not empty"),
    Parameter::works("arguments", "a text that holds a JSON object"),
    Parameter::ignored("id", IN_ORDER),
    Parameter::ignored("status", "what was asked for is read as it is"),
    Parameter::refused_unless("caller", "{\"type\":\"direct\"}", CALLERS),
    Parameter::refused("namespace", "functions have no namespaces"),
];

const FUNCTION_CALL_OUTPUT: &[Parameter] = &[
    Parameter::works("type", "'function_call_output'"),
    Parameter::works("call_id", "the 'call_id' of a function call"),
    Parameter::works("output", "a text or a list of parts such as {\"type\": \"input_text\", \"text\": ...}"),
    Parameter::works("name", "a text that is not empty"),
    Parameter::ignored("id", IN_ORDER),
    Parameter::ignored("status", "results are read as they are"),
    Parameter::refused_unless("caller", "{\"type\":\"direct\"}", CALLERS),
    Parameter::refused("namespace", "functions have no namespaces"),
];

/// Adds what the field `input` says.
pub(super) fn take(fields: &mut Fields, messages: &mut Vec<ChatMessage>) -> Result<(), ApiError> {
    let value = fields.take("input");
    let items = match fields.needed("input", value)? {
        Value::String(text) => {
            messages.push(said(ChatRole::User, text));
            return Ok(());
        }
        Value::Array(items) if (1..=MAX_ITEMS).contains(&items.len()) => items,
        _ => return Err(fields.invalid("input")),
    };
    for (index, item) in items.into_iter().enumerate() {
        add_item(&format!("input[{index}]"), item, messages)?;
    }
    Ok(())
}

/// A message that is a text and nothing else.
pub(super) const fn said(role: ChatRole, content: String) -> ChatMessage {
    ChatMessage { role, content, reasoning: None, tool_calls: Vec::new(), tool_call_id: None, name: None }
}

fn add_item(place: &str, item: Value, messages: &mut Vec<ChatMessage>) -> Result<(), ApiError> {
    // By its type first: whatever else an item of another type has, it is not read.
    let kind = item.get("type").filter(|kind| !kind.is_null());
    match kind.map_or(Some("message"), Value::as_str) {
        Some("message") => messages.push(read_message(place, item)?),
        Some("function_call") => add_call(place, read_call(place, item)?, messages)?,
        Some("function_call_output") => messages.push(read_call_output(place, item)?),
        Some("item_reference") => {
            return Err(ApiError::unsupported(
                place,
                "nothing is kept between requests: send the item itself",
            ));
        }
        Some("reasoning") => {
            return Err(ApiError::unsupported(place, "thoughts are not read: leave the item out"));
        }
        _ => {
            let param = format!("{place}.type");
            return Err(ApiError::must_be(&param, "'message', 'function_call' or 'function_call_output'"));
        }
    }
    Ok(())
}

fn read_message(place: &str, item: Value) -> Result<ChatMessage, ApiError> {
    let mut fields = Fields::of_object(place, item, "an object with 'role' and 'content'", MESSAGE)?;
    let role = fields.text("role")?;
    let role = match fields.needed("role", role)?.as_str() {
        "system" | "developer" => ChatRole::System,
        "user" => ChatRole::User,
        "assistant" => ChatRole::Assistant,
        _ => return Err(fields.invalid("role")),
    };
    Ok(said(role, take_content(&mut fields, "content")?))
}

fn read_call(place: &str, item: Value) -> Result<MessageToolCall, ApiError> {
    let accepts = "an object with 'call_id', 'name' and 'arguments'";
    let mut fields = Fields::of_object(place, item, accepts, FUNCTION_CALL)?;
    let id = fields.filled_text("call_id")?;
    let id = fields.needed("call_id", id)?;
    let name = fields.filled_text("name")?;
    let name = fields.needed("name", name)?;
    let arguments = fields.text("arguments")?;
    let arguments = fields.needed("arguments", arguments)?;
    let arguments = serde_json::from_str(&arguments).ok().filter(Value::is_object);
    let arguments = arguments.ok_or_else(|| fields.invalid("arguments"))?;
    Ok(MessageToolCall { id, name, arguments })
}

/// A call belongs to the message of the assistant before it, or is one without words.
fn add_call(place: &str, call: MessageToolCall, messages: &mut Vec<ChatMessage>) -> Result<(), ApiError> {
    match messages.last_mut() {
        Some(last) if last.role == ChatRole::Assistant => {
            if last.tool_calls.len() == MAX_TOOL_CALLS {
                let message = format!(
                    "'{place}' is one function call too many: {MAX_TOOL_CALLS} can be asked for at once"
                );
                return Err(ApiError::invalid(place, message));
            }
            last.tool_calls.push(call);
        }
        _ => {
            messages.push(ChatMessage { tool_calls: vec![call], ..said(ChatRole::Assistant, String::new()) })
        }
    }
    Ok(())
}

fn read_call_output(place: &str, item: Value) -> Result<ChatMessage, ApiError> {
    let accepts = "an object with 'call_id' and 'output'";
    let mut fields = Fields::of_object(place, item, accepts, FUNCTION_CALL_OUTPUT)?;
    let id = fields.filled_text("call_id")?;
    let id = fields.needed("call_id", id)?;
    let output = take_content(&mut fields, "output")?;
    let name = fields.filled_text("name")?;
    Ok(ChatMessage { tool_call_id: Some(id), name, ..said(ChatRole::Tool, output) })
}

/// A text, or the texts of parts with nothing between them.
fn take_content(fields: &mut Fields, name: &str) -> Result<String, ApiError> {
    let value = fields.take(name);
    let parts = match fields.needed(name, value)? {
        Value::String(text) => return Ok(text),
        Value::Array(parts) if (1..=MAX_PARTS).contains(&parts.len()) => parts,
        _ => return Err(fields.invalid(name)),
    };
    let mut content = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let place = format!("{}[{index}]", fields.path(name));
        content.push_str(&read_part(&place, part)?);
    }
    Ok(content)
}

fn read_part(place: &str, part: Value) -> Result<String, ApiError> {
    // By its type first: whatever else an image has, it is not read.
    let kind = part.get("type").and_then(Value::as_str);
    if let Some(kind @ ("input_image" | "input_file" | "input_audio" | "refusal")) = kind {
        let message = format!("'{place}' is of the type '{kind}', which is not supported: {NOT_READ}");
        return Err(ApiError { message, param: Some(place.to_owned()), code: Some("unsupported_parameter") });
    }
    let mut part = Fields::of_object(place, part, "an object with 'type' and 'text'", PART)?;
    let kind = part.text("type")?;
    if !matches!(part.needed("type", kind)?.as_str(), "input_text" | "output_text") {
        return Err(part.invalid("type"));
    }
    let text = part.text("text")?;
    part.needed("text", text)
}
