//! `POST /v1/responses`: what is asked, what is answered, and the events of an answer that is streamed.
//!
//! Nothing is kept between requests: each brings its whole conversation, which becomes messages as those of a chat are.

mod answer;
mod events;
mod input;
mod text;
mod tools;

use serde_json::{Map, Value};

pub use answer::{ItemStatus, OutputItem, OutputText, ResponseObject};
pub use events::{ResponseEvent, ResponseStream};

use super::{
    chat::{ChatRequest, check_service_tier, take_model},
    error::ApiError,
    fields::Fields,
    messages::ChatRole,
    parameters::{Parameter, RESPONSES},
    sampling::{SamplingFields, StreamOptions},
};

/// Most things that an answer is asked to include.
const MAX_INCLUDED: usize = 16;
/// The one thing that can be included.
const LOGPROBS: &str = "message.output_text.logprobs";
/// Most probable tokens that are told beside a chosen one.
const MAX_TOP_LOGPROBS: u32 = 20;
/// Most members of the metadata.
const MAX_METADATA: usize = 16;
/// Longest name of a member of the metadata, in characters.
const MAX_METADATA_NAME: usize = 64;
/// Longest value of a member of the metadata, in characters.
const MAX_METADATA_TEXT: usize = 512;

const STREAM_OPTIONS: &[Parameter] =
    &[Parameter::ignored("include_obfuscation", "nothing is added to hide how long tokens are")];

/// A conversation that a model is asked to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponsesRequest {
    /// The conversation and all that chats have as well: `instructions` are its first message; there is one answer; its
    /// form is a text, a JSON object or JSON that a schema allows; a stream tells its usage.
    pub chat: ChatRequest,
    /// What the model is told before all else.
    pub instructions: Option<String>,
    /// At most 16 texts by name, which the answer repeats.
    pub metadata: Map<String, Value>,
}

impl ResponsesRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown, refused or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, RESPONSES)?;
        let model = take_model(&mut fields)?;
        let instructions = fields.text("instructions")?;
        let mut messages = Vec::new();
        if let Some(text) = &instructions {
            messages.push(input::said(ChatRole::System, text.clone()));
        }
        input::take(&mut fields, &mut messages)?;
        let sampling = take_sampling(&mut fields)?;
        check_service_tier(&mut fields)?;
        let stream = take_stream(&mut fields)?;
        let output = text::take(&mut fields)?;
        let tools = tools::take(&mut fields)?;
        let tool_choice = tools::take_choice(&mut fields, &tools)?;
        let chat = ChatRequest {
            model,
            messages,
            sampling,
            stream,
            output,
            tools,
            tool_choice,
            parallel_tool_calls: fields.bool("parallel_tool_calls")?.unwrap_or(true),
            chat_template_kwargs: fields.object("chat_template_kwargs")?.unwrap_or_default(),
        };
        Ok(Self { chat, instructions, metadata: take_metadata(&mut fields)? })
    }
}

/// This API has fewer of these fields than chats have: those that it lacks have the values that do nothing.
fn take_sampling(fields: &mut Fields) -> Result<SamplingFields, ApiError> {
    Ok(SamplingFields {
        temperature: fields.number("temperature", 0.0..=2.0)?.unwrap_or(1.0),
        top_p: fields.number("top_p", f64::from(f32::MIN_POSITIVE)..=1.0)?.unwrap_or(1.0),
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        logit_bias: Vec::new(),
        logprobs: take_logprobs(fields)?,
        seed: None,
        n: 1,
        max_tokens: fields.count("max_output_tokens", 1..=u32::MAX)?,
        stop: Vec::new(),
    })
}

fn take_logprobs(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let included = fields.list("include", MAX_INCLUDED)?.unwrap_or_default();
    if included.iter().any(|value| value.as_str() != Some(LOGPROBS)) {
        return Err(fields.invalid("include"));
    }
    let top = fields.count("top_logprobs", 0..=MAX_TOP_LOGPROBS)?.unwrap_or(0);
    match (included.is_empty(), top) {
        (false, top) => Ok(Some(top)),
        // Clients write the value that asks for nothing.
        (true, 0) => Ok(None),
        (true, _) => Err(ApiError::invalid(
            "top_logprobs",
            format!("'top_logprobs' can only be given when 'include' has '{LOGPROBS}'"),
        )),
    }
}

fn take_stream(fields: &mut Fields) -> Result<Option<StreamOptions>, ApiError> {
    let is_wanted = fields.bool("stream")?.unwrap_or(false);
    let options = fields.fields("stream_options", STREAM_OPTIONS)?;
    if options.is_some() && !is_wanted {
        return Err(ApiError::invalid(
            "stream_options",
            "'stream_options' can only be given when 'stream' is true".to_owned(),
        ));
    }
    Ok(is_wanted.then_some(StreamOptions { include_usage: true }))
}

fn take_metadata(fields: &mut Fields) -> Result<Map<String, Value>, ApiError> {
    let metadata = fields.object("metadata")?.unwrap_or_default();
    let is_too_long = |text: &str, most: usize| text.chars().nth(most).is_some();
    for (name, value) in &metadata {
        let is_text = value.as_str().is_some_and(|text| !is_too_long(text, MAX_METADATA_TEXT));
        if !is_text || is_too_long(name, MAX_METADATA_NAME) {
            return Err(fields.invalid("metadata"));
        }
    }
    if metadata.len() > MAX_METADATA { Err(fields.invalid("metadata")) } else { Ok(metadata) }
}
