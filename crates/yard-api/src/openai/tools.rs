//! Functions that a model may ask for.

use serde_json::{Map, Value, json};

use super::{error::ApiError, fields::Fields, parameters::Parameter};

/// Most functions of a request.
const MAX_TOOLS: usize = 128;
/// Longest name of a function or schema.
const MAX_NAME_LENGTH: usize = 64;

const TOOL: &[Parameter] = &[
    Parameter::works("type", "'function'"),
    Parameter::works(
        "function",
        "an object with 'name', and 'description', 'parameters' and 'strict' if wanted",
    ),
    Parameter::refused("custom", "tools are functions, of the type 'function'"),
];

const FUNCTION: &[Parameter] = &[
    Parameter::works("name", "a text of 1 to 64 letters, digits, underscores and dashes"),
    Parameter::works("description", "a text"),
    Parameter::works("parameters", "an object: a JSON Schema of the arguments"),
    Parameter::works("strict", "true or false"),
];

const NAMED_CHOICE: &[Parameter] = &[
    Parameter::works("type", "'function'"),
    Parameter::works("function", "an object with the 'name' of one of 'tools'"),
    Parameter::refused("allowed_tools", "give only the tools that may be used"),
];

const NAMED_FUNCTION: &[Parameter] = &[Parameter::works("name", "the name of one of 'tools'")];

/// A function that the model may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionTool {
    /// Names it: 1 to 64 letters, digits, underscores and dashes.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// A JSON Schema of its arguments; it has none if this is left out.
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments must keep to the schema in every part. A server may always do so.
    pub strict: bool,
}

/// Whether the model asks for functions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// If it likes.
    #[default]
    Auto,
    /// It does not.
    None,
    /// For one at least.
    Required,
    /// For the one of this name, which is among the request's tools.
    Function(String),
}

// === impl FunctionTool ===

impl FunctionTool {
    pub(crate) fn take_all(fields: &mut Fields) -> Result<Vec<Self>, ApiError> {
        let values = fields.list("tools", MAX_TOOLS)?.unwrap_or_default();
        let mut tools: Vec<Self> = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let place = format!("tools[{index}]");
            let tool = Self::read(&place, value)?;
            if tools.iter().any(|other| other.name == tool.name) {
                let name = format!("{place}.function.name");
                let message = format!("'{name}' is '{}', as that of another tool is", tool.name);
                return Err(ApiError::invalid(&name, message));
            }
            tools.push(tool);
        }
        Ok(tools)
    }

    fn read(place: &str, value: Value) -> Result<Self, ApiError> {
        let mut tool = Fields::of_object(place, value, "an object with 'type' and 'function'", TOOL)?;
        let kind = tool.text("type")?;
        if tool.needed("type", kind)? != "function" {
            return Err(tool.invalid("type"));
        }
        let function = tool.fields("function", FUNCTION)?;
        let mut function = tool.needed("function", function)?;
        let name = function.text("name")?;
        let name = function.needed("name", name)?;
        if !is_name(&name) {
            return Err(function.invalid("name"));
        }
        Ok(Self {
            name,
            description: function.text("description")?,
            parameters: function.object("parameters")?,
            strict: function.bool("strict")?.unwrap_or(false),
        })
    }

    /// As the API writes it, without `strict`: chat templates read it like this.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut function = json!({ "name": self.name });
        if let Some(description) = &self.description {
            function["description"] = json!(description);
        }
        // Templates print the parameters of each function, whether or not it has any.
        function["parameters"] = match &self.parameters {
            Some(parameters) => Value::Object(parameters.clone()),
            None => json!({ "type": "object", "properties": {} }),
        };
        json!({ "type": "function", "function": function })
    }
}

// === impl ToolChoice ===

impl ToolChoice {
    pub(crate) fn take(fields: &mut Fields, tools: &[FunctionTool]) -> Result<Self, ApiError> {
        let choice = match fields.take("tool_choice") {
            None => return Ok(if tools.is_empty() { Self::None } else { Self::Auto }),
            Some(Value::String(word)) => match word.as_str() {
                "auto" => Self::Auto,
                "none" => Self::None,
                "required" => Self::Required,
                _ => return Err(fields.invalid("tool_choice")),
            },
            Some(value) => Self::Function(read_named(value, fields.accepts("tool_choice"))?),
        };
        match &choice {
            Self::Required if tools.is_empty() => Err(ApiError::invalid(
                "tool_choice",
                "'tool_choice' can only be 'required' when 'tools' has functions".to_owned(),
            )),
            Self::Function(name) if tools.iter().all(|tool| tool.name != *name) => {
                Err(ApiError::must_be("tool_choice.function.name", "the name of one of 'tools'"))
            }
            Self::Auto if tools.is_empty() => Ok(Self::None),
            _ => Ok(choice),
        }
    }
}

fn read_named(value: Value, accepts: &str) -> Result<String, ApiError> {
    let mut choice = Fields::of_object("tool_choice", value, accepts, NAMED_CHOICE)?;
    let kind = choice.text("type")?;
    if choice.needed("type", kind)? != "function" {
        return Err(choice.invalid("type"));
    }
    let function = choice.fields("function", NAMED_FUNCTION)?;
    let mut function = choice.needed("function", function)?;
    let name = function.text("name")?;
    function.needed("name", name)
}

/// Whether a text can name a function or a schema.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(is_part)
}
