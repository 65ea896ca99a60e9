//! The form that an answer must have.

use serde_json::{Value, json};

use crate::openai::{
    error::ApiError,
    fields::Fields,
    output_format::{OutputFormat, take_json_schema},
    parameters::Parameter,
};

const TEXT: &[Parameter] = &[
    Parameter::works("format", "an object whose 'type' is 'text', 'json_object' or 'json_schema'"),
    Parameter::refused_unless(
        "verbosity",
        "\"medium\"",
        "tell the model in a message how much it should say",
    ),
];

/// Which of it belongs together is checked by hand.
const FORMAT: &[Parameter] = &[
    Parameter::works("type", "'text', 'json_object' or 'json_schema'"),
    Parameter::works("name", "a text of 1 to 64 letters, digits, underscores and dashes"),
    Parameter::works("description", "a text"),
    Parameter::works("schema", "an object: a JSON Schema"),
    Parameter::works("strict", "true or false"),
];

/// What the field `text` asks for.
pub(super) fn take(fields: &mut Fields) -> Result<OutputFormat, ApiError> {
    let Some(mut text) = fields.fields("text", TEXT)? else { return Ok(OutputFormat::Text) };
    let Some(mut format) = text.fields("format", FORMAT)? else { return Ok(OutputFormat::Text) };
    let kind = format.text("type")?;
    let output = match format.needed("type", kind)?.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::JsonObject,
        "json_schema" => take_json_schema(&mut format)?,
        _ => return Err(format.invalid("type")),
    };
    match format.first_left() {
        None => Ok(output),
        Some(name) => {
            let param = format.path(name);
            let message = format!("'{param}' can only be given when 'type' is 'json_schema'");
            Err(ApiError::invalid(&param, message))
        }
    }
}

/// As an answer repeats it.
pub(super) fn written(output: &OutputFormat) -> Value {
    let format = match output {
        // This API has no field for regular expressions and grammars.
        OutputFormat::Text | OutputFormat::Regex(_) | OutputFormat::Grammar(_) => json!({ "type": "text" }),
        OutputFormat::JsonObject => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { name, description, schema, strict } => json!({
            "type": "json_schema",
            "name": name,
            "description": description,
            "schema": schema,
            "strict": strict,
        }),
    };
    json!({ "format": format, "verbosity": "medium" })
}
