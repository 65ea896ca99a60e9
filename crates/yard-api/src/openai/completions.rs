//! `POST /v1/completions`: what is asked.

use serde_json::Value;

use super::{
    chat::take_model,
    error::ApiError,
    fields::{Fields, token_id},
    output_format::OutputFormat,
    parameters::COMPLETIONS,
    sampling::{SamplingFields, StreamOptions},
};

/// Most prompts of a request.
const MAX_PROMPTS: usize = 64;
/// Most probable tokens that are told beside a chosen one.
const MAX_LOGPROBS: u32 = 5;
/// Tokens of an answer if the caller does not say.
const DEFAULT_MAX_TOKENS: u32 = 16;

/// A text, or the numbers of its tokens. Neither is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOrTokens {
    /// A text.
    Text(String),
    /// Numbers of tokens, which may be beyond the model's vocabulary.
    Tokens(Vec<u32>),
}

/// Texts that a model is asked to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// The texts: 1 to 64.
    pub prompts: Vec<TextOrTokens>,
    /// How tokens are chosen and where answers end. `max_tokens` is there: 16 if the caller does not say.
    pub sampling: SamplingFields,
    /// If answers are wanted token by token: how.
    pub stream: Option<StreamOptions>,
    /// The form of answers.
    pub output: OutputFormat,
}

impl CompletionRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown, refused or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, COMPLETIONS)?;
        let model = take_model(&mut fields)?;
        let prompts = TextOrTokens::take_all(&mut fields, "prompt", MAX_PROMPTS)?;
        let mut sampling = SamplingFields::take(&mut fields)?;
        sampling.max_tokens = sampling.max_tokens.or(Some(DEFAULT_MAX_TOKENS));
        sampling.logprobs = fields.count("logprobs", 0..=MAX_LOGPROBS)?;
        if fields.count("best_of", 1..=u32::MAX)?.is_some_and(|best_of| best_of != sampling.n) {
            return Err(fields.invalid("best_of"));
        }
        let stream = StreamOptions::take(&mut fields)?;
        let output = OutputFormat::take(&mut fields, false)?;
        Ok(Self { model, prompts, sampling, stream, output })
    }
}

impl TextOrTokens {
    /// One or several, in any of the forms in which the API takes them.
    pub(crate) fn take_all(fields: &mut Fields, name: &str, at_most: usize) -> Result<Vec<Self>, ApiError> {
        let value = fields.take(name);
        let values = match fields.needed(name, value)? {
            Value::Array(values) if values.first().is_some_and(Value::is_number) => {
                let tokens = read_tokens(&values).ok_or_else(|| fields.invalid(name))?;
                return Ok(vec![Self::Tokens(tokens)]);
            }
            Value::Array(values) if (1..=at_most).contains(&values.len()) => values,
            Value::String(text) => vec![Value::String(text)],
            _ => return Err(fields.invalid(name)),
        };
        let is_text = values.first().is_some_and(Value::is_string);
        let mut read = Vec::with_capacity(values.len());
        for value in values {
            read.push(match value {
                Value::String(text) if is_text && !text.is_empty() => Self::Text(text),
                Value::Array(tokens) if !is_text && !tokens.is_empty() => {
                    Self::Tokens(read_tokens(&tokens).ok_or_else(|| fields.invalid(name))?)
                }
                _ => return Err(fields.invalid(name)),
            });
        }
        Ok(read)
    }
}

/// Numbers of tokens.
pub(crate) fn read_tokens(values: &[Value]) -> Option<Vec<u32>> {
    values.iter().map(token_id).collect()
}
