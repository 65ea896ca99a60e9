//! `POST /v1/chat/completions`: what is asked.

use serde_json::{Map, Value};

use super::{
    error::ApiError,
    fields::Fields,
    messages::ChatMessage,
    output_format::OutputFormat,
    parameters::CHAT,
    sampling::{SamplingFields, StreamOptions},
    tools::{FunctionTool, ToolChoice},
};

/// Most probable tokens that are told beside a chosen one.
const MAX_TOP_LOGPROBS: u32 = 20;

/// A chat that a model is asked to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// What was said: 1 to 4,096 messages.
    pub messages: Vec<ChatMessage>,
    /// How tokens are chosen and where answers end.
    pub sampling: SamplingFields,
    /// If answers are wanted token by token: how.
    pub stream: Option<StreamOptions>,
    /// The form of answers.
    pub output: OutputFormat,
    /// Functions that the model may ask for: at most 128, each with another name.
    pub tools: Vec<FunctionTool>,
    /// Whether it does.
    pub tool_choice: ToolChoice,
    /// Whether it may ask for several at once.
    pub parallel_tool_calls: bool,
    /// Further names that the chat template knows.
    pub chat_template_kwargs: Map<String, Value>,
}

impl ChatRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown, refused or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, CHAT)?;
        let model = take_model(&mut fields)?;
        let messages = ChatMessage::take_all(&mut fields)?;
        let mut sampling = SamplingFields::take(&mut fields)?;
        sampling.max_tokens = take_max_completion_tokens(&mut fields, sampling.max_tokens)?;
        sampling.logprobs = take_logprobs(&mut fields)?;
        check_service_tier(&mut fields)?;
        let stream = StreamOptions::take(&mut fields)?;
        let output = OutputFormat::take(&mut fields, true)?;
        let tools = FunctionTool::take_all(&mut fields)?;
        let tool_choice = ToolChoice::take(&mut fields, &tools)?;
        Ok(Self {
            model,
            messages,
            sampling,
            stream,
            output,
            tools,
            tool_choice,
            parallel_tool_calls: fields.bool("parallel_tool_calls")?.unwrap_or(true),
            chat_template_kwargs: fields.object("chat_template_kwargs")?.unwrap_or_default(),
        })
    }
}

/// The name of the model.
pub(crate) fn take_model(fields: &mut Fields) -> Result<String, ApiError> {
    let model = fields.filled_text("model")?;
    fields.needed("model", model)
}

/// The newer name of `max_tokens`.
fn take_max_completion_tokens(fields: &mut Fields, max_tokens: Option<u32>) -> Result<Option<u32>, ApiError> {
    let max_completion_tokens = fields.count("max_completion_tokens", 1..=u32::MAX)?;
    match (max_completion_tokens, max_tokens) {
        (Some(newer), Some(older)) if newer != older => Err(ApiError::invalid(
            "max_tokens",
            format!("'max_tokens' is {older} but 'max_completion_tokens' is {newer}: give one of them"),
        )),
        _ => Ok(max_completion_tokens.or(max_tokens)),
    }
}

fn take_logprobs(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let wanted = fields.bool("logprobs")?.unwrap_or(false);
    match fields.count("top_logprobs", 0..=MAX_TOP_LOGPROBS)? {
        Some(_) if !wanted => Err(ApiError::invalid(
            "top_logprobs",
            "'top_logprobs' can only be given when 'logprobs' is true".to_owned(),
        )),
        top => Ok(wanted.then_some(top.unwrap_or(0))),
    }
}

/// There is one tier, of which `auto` and `default` are names.
pub(crate) fn check_service_tier(fields: &mut Fields) -> Result<(), ApiError> {
    match fields.text("service_tier")?.as_deref() {
        None | Some("auto" | "default") => Ok(()),
        Some(_) => Err(fields.invalid("service_tier")),
    }
}
