//! Functions that a model may ask for, which this API writes with one brace less than chats do.

use serde_json::{Value, json};

use crate::openai::{
    error::ApiError,
    fields::Fields,
    parameters::Parameter,
    tools::{FunctionTool, ToolChoice, is_name},
};

/// Most functions of a request.
const MAX_TOOLS: usize = 128;

const FUNCTIONS: &str = "tools are functions, of the type 'function'";

const TOOL: &[Parameter] = &[
    Parameter::works("type", "'function'"),
    Parameter::works("name", "a text of 1 to 64 letters, digits, underscores and dashes"),
    Parameter::works("description", "a text"),
    Parameter::works("parameters", "an object: a JSON Schema of the arguments"),
    Parameter::works("strict", "true or false"),
    Parameter::refused_unless("defer_loading", "false", "the model is told of all tools"),
];

const NAMED_CHOICE: &[Parameter] =
    &[Parameter::works("type", "'function'"), Parameter::works("name", "the name of one of 'tools'")];

/// The field `tools`.
pub(super) fn take(fields: &mut Fields) -> Result<Vec<FunctionTool>, ApiError> {
    let values = fields.list("tools", MAX_TOOLS)?.unwrap_or_default();
    let mut tools: Vec<FunctionTool> = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let place = format!("tools[{index}]");
        let tool = read(&place, value)?;
        if tools.iter().any(|other| other.name == tool.name) {
            let name = format!("{place}.name");
            let message = format!("'{name}' is '{}', as that of another tool is", tool.name);
            return Err(ApiError::invalid(&name, message));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn read(place: &str, value: Value) -> Result<FunctionTool, ApiError> {
    // By its type first: whatever else a search has, it is not offered.
    if value.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "function") {
        return Err(ApiError::unsupported(&format!("{place}.type"), FUNCTIONS));
    }
    let mut tool = Fields::of_object(place, value, "an object with 'type' and 'name'", TOOL)?;
    let kind = tool.text("type")?;
    tool.needed("type", kind)?;
    let name = tool.text("name")?;
    let name = tool.needed("name", name)?;
    if !is_name(&name) {
        return Err(tool.invalid("name"));
    }
    Ok(FunctionTool {
        name,
        description: tool.text("description")?,
        parameters: tool.object("parameters")?,
        // Other than in chats, this is what the API documents.
        strict: tool.bool("strict")?.unwrap_or(true),
    })
}

/// The field `tool_choice`.
pub(super) fn take_choice(fields: &mut Fields, tools: &[FunctionTool]) -> Result<ToolChoice, ApiError> {
    let word = match fields.take("tool_choice") {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => word,
        Some(value) => return read_named(value, fields.accepts("tool_choice"), tools),
    };
    match word.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" if tools.is_empty() => Err(ApiError::invalid(
            "tool_choice",
            "'tool_choice' can only be 'required' when 'tools' has functions".to_owned(),
        )),
        "required" => Ok(ToolChoice::Required),
        _ => Err(fields.invalid("tool_choice")),
    }
}

fn read_named(value: Value, accepts: &str, tools: &[FunctionTool]) -> Result<ToolChoice, ApiError> {
    match value.get("type").and_then(Value::as_str) {
        Some("allowed_tools") => {
            return Err(ApiError::unsupported("tool_choice.type", "give only the tools that may be used"));
        }
        Some(kind) if kind != "function" => {
            return Err(ApiError::unsupported("tool_choice.type", FUNCTIONS));
        }
        _ => {}
    }
    let mut choice = Fields::of_object("tool_choice", value, accepts, NAMED_CHOICE)?;
    let kind = choice.text("type")?;
    choice.needed("type", kind)?;
    let name = choice.text("name")?;
    let name = choice.needed("name", name)?;
    if tools.iter().all(|tool| tool.name != name) {
        return Err(choice.invalid("name"));
    }
    Ok(ToolChoice::Function(name))
}

/// A function as an answer repeats it.
pub(super) fn written(tool: &FunctionTool) -> Value {
    let FunctionTool { name, description, parameters, strict } = tool;
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": strict,
    })
}

/// A choice as an answer repeats it.
pub(super) fn choice_written(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({ "type": "function", "name": name }),
    }
}
