//! Functions that a model may call.

use serde_json::{Value, json};
use yard_api::openai::{
    AssistantMessage, ChatDelta, ChatRequest, FunctionTool, OutputFormat, ToolCallBody, ToolCallDelta,
    ToolChoice,
};
use yard_chat::{ToolCallReader, ToolFormat, Written};

use super::target::Target;
use crate::failure::Failure;

/// The letters of a call's name, which some templates want to be nine long.
const CALL_LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const CALL_LENGTH: usize = 9;

/// Which functions an answer may call, and how.
#[derive(Debug)]
pub(super) struct Tools {
    format: ToolFormat,
    functions: Vec<(String, Value)>,
    several: bool,
    is_forced: bool,
}

impl Tools {
    /// `None` when nothing may be called.
    pub(super) fn of(request: &ChatRequest, target: &Target) -> Result<Option<Self>, Failure> {
        let wanted = |tool: &&FunctionTool| match &request.tool_choice {
            ToolChoice::Function(name) => tool.name == *name,
            ToolChoice::None => false,
            ToolChoice::Auto | ToolChoice::Required => true,
        };
        let functions: Vec<_> = request
            .tools
            .iter()
            .filter(wanted)
            .map(|tool| (tool.name.clone(), schema_of_arguments(tool)))
            .collect();
        if functions.is_empty() {
            return Ok(None);
        }
        if request.output != OutputFormat::Text {
            let message = "an answer that may call functions cannot be held to a format as well: leave out one of the two";
            return Err(Failure::invalid(message).with_param("tools"));
        }
        Ok(Some(Self {
            format: ToolFormat::named(&target.model.facts().tool_format).unwrap_or(ToolFormat::Tagged),
            functions,
            several: request.parallel_tool_calls,
            is_forced: request.tool_choice != ToolChoice::Auto,
        }))
    }

    /// With what the answer is begun when it has to be a call.
    pub(super) fn opening(&self) -> Option<&'static str> {
        self.is_forced.then(|| self.format.opening()).filter(|opening| !opening.is_empty())
    }

    /// What the answer is held to when it has to be a call.
    pub(super) fn output(&self) -> Option<OutputFormat> {
        let functions: Vec<(&str, Value)> =
            self.functions.iter().map(|(name, schema)| (name.as_str(), schema.clone())).collect();
        let Value::Object(schema) = self.format.schema(&functions, self.several) else { return None };
        self.is_forced.then_some(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: true,
        })
    }

    /// What takes an answer apart.
    pub(super) fn reader(&self) -> ToolCallReader {
        let names = self.functions.iter().map(|(name, _)| name.clone()).collect();
        let reader = ToolCallReader::new(self.format, names, self.several);
        if self.is_forced { reader.behind_opening() } else { reader }
    }

    /// What an answer says and calls.
    pub(super) fn message(&self, text: &str) -> AssistantMessage {
        let mut reader = self.reader();
        let mut written = reader.push(text);
        written.extend(reader.finish());
        let mut content = String::new();
        let mut calls: Vec<(String, String)> = Vec::new();
        for part in written {
            match part {
                Written::Text(text) => content.push_str(&text),
                Written::Call { name, .. } => calls.push((name, String::new())),
                Written::Arguments { text, .. } => {
                    if let Some((_, arguments)) = calls.last_mut() {
                        arguments.push_str(&text);
                    }
                }
            }
        }
        let says_nothing = content.trim().is_empty() && !calls.is_empty();
        let mut message = AssistantMessage::new((!says_nothing).then_some(content));
        let body = |(name, arguments)| ToolCallBody::new(call_id(), name, arguments);
        message.tool_calls = calls.into_iter().map(body).collect();
        message
    }
}

/// A part of an answer as it is streamed.
pub(super) fn delta(written: Written) -> ChatDelta {
    match written {
        Written::Text(text) => ChatDelta::content(text),
        Written::Call { index, name } => ChatDelta::tool_call(ToolCallDelta::begin(index, call_id(), name)),
        Written::Arguments { index, text } => ChatDelta::tool_call(ToolCallDelta::arguments(index, text)),
    }
}

fn schema_of_arguments(tool: &FunctionTool) -> Value {
    match &tool.parameters {
        Some(schema) => Value::Object(schema.clone()),
        None => json!({ "type": "object", "properties": {}, "additionalProperties": false }),
    }
}

/// A name for a call. It only has to differ from others in its conversation.
pub(super) fn call_id() -> String {
    let mut number = getrandom::u64().unwrap_or_default();
    let mut id = String::with_capacity(CALL_LENGTH);
    for _ in 0..CALL_LENGTH {
        id.push(char::from(CALL_LETTERS[(number % CALL_LETTERS.len() as u64) as usize]));
        number /= CALL_LETTERS.len() as u64;
    }
    id
}
