//! Functions that models ask for: how each family writes its calls, and what a model is told whose template knows none.

mod call;
mod reader;

use serde_json::{Value, json};

use crate::{Conversation, Message, Role};

pub use reader::{ToolCallReader, Written};

/// Most calls of one answer that is held to calls.
const MOST_CALLS: usize = 16;

/// How a model writes calls of functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolFormat {
    /// Each call between `<tool_call>` and `</tool_call>`: Hermes, Qwen and others, and models that are told how.
    Tagged,
    /// The answer is a call, whose arguments are called `parameters`: Llama 3.
    Llama3,
    /// The answer is a list of calls behind a control token: Mistral.
    Mistral,
    /// The answer is a call, or a list of them.
    Json,
}

impl ToolFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tagged, Self::Llama3, Self::Mistral, Self::Json];

    /// What a template teaches; `None` for one that knows no functions.
    #[must_use]
    pub fn of_template(source: &str) -> Option<Self> {
        if source.contains("<tool_call>") {
            Some(Self::Tagged)
        } else if source.contains("[TOOL_CALLS]") {
            Some(Self::Mistral)
        } else if source.contains("<|python_tag|>") {
            Some(Self::Llama3)
        } else {
            source.contains("tools").then_some(Self::Json)
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tagged => "tagged",
            Self::Llama3 => "llama3",
            Self::Mistral => "mistral",
            Self::Json => "json",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What stands before the first call. An answer that has to be a call is begun with it.
    #[must_use]
    pub const fn opening(self) -> &'static str {
        match self {
            Self::Tagged => "<tool_call>\n",
            Self::Mistral => "[TOOL_CALLS]",
            Self::Llama3 | Self::Json => "",
        }
    }

    /// A JSON schema of what follows the opening when the answer has to be a call of one of these functions, each with the
    /// schema of its arguments. Only where several calls are one list can there be more than one.
    #[must_use]
    pub fn schema(self, functions: &[(&str, Value)], several: bool) -> Value {
        let arguments = if self == Self::Llama3 { "parameters" } else { "arguments" };
        let mut calls: Vec<Value> = functions
            .iter()
            .map(|(name, schema)| {
                json!({
                    "type": "object",
                    "properties": { "name": { "const": name }, arguments: schema },
                    "required": ["name", arguments],
                    "additionalProperties": false,
                })
            })
            .collect();
        let call = if calls.len() == 1 { calls.remove(0) } else { json!({ "anyOf": calls }) };
        if self == Self::Mistral {
            let most = if several { MOST_CALLS } else { 1 };
            json!({ "type": "array", "items": call, "minItems": 1, "maxItems": most })
        } else {
            call
        }
    }
}

impl Conversation {
    /// The same conversation for a template that knows no functions: what they are is told by the system, calls and results
    /// are written out.
    #[must_use]
    pub fn with_tools_written_out(mut self) -> Self {
        let tools = std::mem::take(&mut self.tools);
        for message in &mut self.messages {
            for call in std::mem::take(&mut message.tool_calls) {
                let call = json!({ "name": call.name, "arguments": call.arguments });
                if !message.content.is_empty() {
                    message.content.push('\n');
                }
                message.content.push_str(&format!("<tool_call>\n{call}\n</tool_call>"));
            }
            if message.role == Role::Tool {
                message.role = Role::User;
                message.content = format!("<tool_response>\n{}\n</tool_response>", message.content);
                message.tool_call_id = None;
            }
        }
        if tools.is_empty() {
            return self;
        }
        let told = instructions(&tools);
        match self.messages.first_mut() {
            Some(first) if first.role == Role::System => {
                first.content = format!("{}\n\n{told}", first.content);
            }
            _ => self.messages.insert(0, Message::new(Role::System, told)),
        }
        self
    }
}

fn instructions(tools: &[Value]) -> String {
    let mut text = String::from(
        "You may call functions. To call one, answer with its name and arguments as JSON, and nothing else:\n\
         <tool_call>\n{\"name\": \"function\", \"arguments\": {\"argument\": \"value\"}}\n</tool_call>\n\
         These are the functions:",
    );
    for tool in tools {
        text.push('\n');
        text.push_str(&tool.get("function").unwrap_or(tool).to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;

    #[test]
    fn templates_tell_their_format() {
        for (source, expected) in [
            ("{% if tools %}<tool_call>{% endif %}", Some(ToolFormat::Tagged)),
            ("{{ '[TOOL_CALLS]' }}", Some(ToolFormat::Mistral)),
            ("{{ '<|python_tag|>' }}", Some(ToolFormat::Llama3)),
            ("{% if tools %}{{ tools }}{% endif %}", Some(ToolFormat::Json)),
            ("{{ messages[0].content }}", None),
        ] {
            assert_eq!(ToolFormat::of_template(source), expected, "{source}");
        }
        for format in ToolFormat::ALL {
            assert_eq!(ToolFormat::named(format.as_str()), Some(format));
        }
    }

    #[test]
    fn a_template_without_functions_is_told_of_them_by_the_system() {
        let call = ToolCall { id: "1".into(), name: "add".into(), arguments: json!({ "a": 1 }) };
        let asked = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
        let result = Message { tool_call_id: Some("1".into()), ..Message::new(Role::Tool, "2") };
        let conversation = Conversation {
            messages: vec![Message::new(Role::User, "1 + 1?"), asked, result],
            tools: vec![json!({ "type": "function", "function": { "name": "add" } })],
            ..Conversation::default()
        };
        let told = conversation.with_tools_written_out();
        assert!(told.tools.is_empty());
        let roles: Vec<Role> = told.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
        assert!(told.messages[0].content.ends_with("\n{\"name\":\"add\"}"), "{}", told.messages[0].content);
        let written = "<tool_call>\n{\"name\":\"add\",\"arguments\":{\"a\":1}}\n</tool_call>";
        assert_eq!(told.messages[2].content, written);
        assert_eq!(told.messages[3].content, "<tool_response>\n2\n</tool_response>");
    }

    #[test]
    fn a_forced_answer_is_a_call() {
        let functions = [("f", json!({ "type": "object" })), ("g", json!({ "type": "object" }))];
        let one = ToolFormat::Llama3.schema(&functions[..1], true);
        assert_eq!(one["required"], json!(["name", "parameters"]));
        assert_eq!(one["properties"]["name"], json!({ "const": "f" }));
        let list = ToolFormat::Mistral.schema(&functions, false);
        assert_eq!((&list["maxItems"], list["items"]["anyOf"].as_array().unwrap().len()), (&json!(1), 2));
    }
}
