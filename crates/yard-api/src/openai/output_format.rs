//! The form that an answer must have.

use serde_json::{Map, Value};

use super::{error::ApiError, fields::Fields, parameters::Parameter, tools::is_name};

/// What is known of one form of an answer or another; which of it belongs together is checked by hand.
const RESPONSE_FORMAT: &[Parameter] = &[
    Parameter::works("type", "'text', 'json_object' or 'json_schema'"),
    Parameter::works(
        "json_schema",
        "an object with 'name' and 'schema', and given if 'type' is 'json_schema'",
    ),
];

const JSON_SCHEMA: &[Parameter] = &[
    Parameter::works("name", "a text of 1 to 64 letters, digits, underscores and dashes"),
    Parameter::works("description", "a text"),
    Parameter::works("schema", "an object: a JSON Schema"),
    Parameter::works("strict", "true or false"),
];

const STRUCTURED_OUTPUTS: &[Parameter] = &[
    Parameter::works("json", "an object: a JSON Schema"),
    Parameter::works("regex", "a text: a regular expression"),
    Parameter::works("grammar", "a text: a grammar in Lark"),
];

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum OutputFormat {
    /// Any.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that a schema allows.
    JsonSchema {
        /// What the schema is called, if `response_format` gave it.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema: an object.
        schema: Map<String, Value>,
        /// Whether it must be kept to in every part. A server may always do so.
        strict: bool,
    },
    /// A text that a regular expression matches as a whole.
    Regex(String),
    /// A text of a grammar in Lark.
    Grammar(String),
}

impl OutputFormat {
    /// As `response_format` or `structured_outputs` has it, of which completions have only the second.
    pub(crate) fn take(fields: &mut Fields, has_response_format: bool) -> Result<Self, ApiError> {
        let response_format = match has_response_format {
            true => take_response_format(fields)?,
            false => Self::Text,
        };
        match take_structured_outputs(fields)? {
            None => Ok(response_format),
            Some(format) if response_format == Self::Text => Ok(format),
            Some(_) => Err(ApiError::invalid(
                "structured_outputs",
                "'structured_outputs' cannot be given together with 'response_format': give one of them"
                    .to_owned(),
            )),
        }
    }
}

fn take_response_format(fields: &mut Fields) -> Result<OutputFormat, ApiError> {
    let Some(mut format) = fields.fields("response_format", RESPONSE_FORMAT)? else {
        return Ok(OutputFormat::Text);
    };
    let kind = format.text("type")?;
    let kind = format.needed("type", kind)?;
    let schema = format.fields("json_schema", JSON_SCHEMA)?;
    match (kind.as_str(), schema) {
        ("text", None) => Ok(OutputFormat::Text),
        ("json_object", None) => Ok(OutputFormat::JsonObject),
        ("text" | "json_object", Some(_)) => Err(format.invalid("json_schema")),
        ("json_schema", schema) => take_json_schema(&mut format.needed("json_schema", schema)?),
        _ => Err(format.invalid("type")),
    }
}

/// The members of a named schema, wherever a route has them.
pub(crate) fn take_json_schema(fields: &mut Fields) -> Result<OutputFormat, ApiError> {
    let name = fields.text("name")?;
    let name = fields.needed("name", name)?;
    if !is_name(&name) {
        return Err(fields.invalid("name"));
    }
    let schema = fields.object("schema")?;
    Ok(OutputFormat::JsonSchema {
        name: Some(name),
        description: fields.text("description")?,
        schema: fields.needed("schema", schema)?,
        strict: fields.bool("strict")?.unwrap_or(false),
    })
}

fn take_structured_outputs(fields: &mut Fields) -> Result<Option<OutputFormat>, ApiError> {
    let Some(mut outputs) = fields.fields("structured_outputs", STRUCTURED_OUTPUTS)? else {
        return Ok(None);
    };
    let schema = outputs.object("json")?;
    let regex = outputs.filled_text("regex")?;
    let grammar = outputs.filled_text("grammar")?;
    let format = match (schema, regex, grammar) {
        (Some(schema), None, None) => {
            OutputFormat::JsonSchema { name: None, description: None, schema, strict: true }
        }
        (None, Some(regex), None) => OutputFormat::Regex(regex),
        (None, None, Some(grammar)) => OutputFormat::Grammar(grammar),
        _ => return Err(fields.invalid("structured_outputs")),
    };
    Ok(Some(format))
}
