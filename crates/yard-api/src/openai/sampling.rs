//! How the tokens of an answer are chosen, and where it ends.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    error::ApiError,
    fields::{Fields, number_in},
    parameters::Parameter,
};

/// Most tokens with a bias.
const MAX_BIASES: usize = 1024;
/// Most answers to a prompt.
const MAX_ANSWERS: u32 = 16;
/// Most texts that end an answer.
const MAX_STOPS: usize = 4;

const STREAM_OPTIONS: &[Parameter] = &[
    Parameter::works("include_usage", "true or false"),
    Parameter::ignored("include_obfuscation", "nothing is added to hide how long tokens are"),
];

/// What chats and completions have in common. A field that was left out has the value that the API documents.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingFields {
    /// 0 to 2.
    pub temperature: f32,
    /// Above 0, to 1.
    pub top_p: f32,
    /// Only so many tokens are drawn from; 0 for all.
    pub top_k: u32,
    /// 0 to 1.
    pub min_p: f32,
    /// 0.01 to 100; 1 for none.
    pub repetition_penalty: f32,
    /// -2 to 2.
    pub presence_penalty: f32,
    /// -2 to 2.
    pub frequency_penalty: f32,
    /// By token, in the order of their numbers: at most 1,024, each -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// If the probabilities of chosen tokens are wanted: with how many of the most probable ones, 0 to 20.
    pub logprobs: Option<u32>,
    /// Decides all draws. A negative number stands for the one that is as many below 2^64.
    pub seed: Option<u64>,
    /// Answers to each prompt: 1 to 16.
    pub n: u32,
    /// Most tokens of an answer; as many as there is room for if the caller of a chat does not say.
    pub max_tokens: Option<u32>,
    /// Texts that end an answer: at most four, none empty.
    pub stop: Vec<String>,
}

/// How a stream is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamOptions {
    /// Whether it ends with a count of tokens.
    pub include_usage: bool,
}

// === impl SamplingFields ===

impl SamplingFields {
    /// All but `logprobs`, which chats and completions write differently.
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            temperature: fields.number("temperature", 0.0..=2.0)?.unwrap_or(1.0),
            top_p: fields.number("top_p", f64::from(f32::MIN_POSITIVE)..=1.0)?.unwrap_or(1.0),
            top_k: take_top_k(fields)?,
            min_p: fields.number("min_p", 0.0..=1.0)?.unwrap_or(0.0),
            repetition_penalty: fields.number("repetition_penalty", 0.01..=100.0)?.unwrap_or(1.0),
            presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?.unwrap_or(0.0),
            frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?.unwrap_or(0.0),
            logit_bias: take_logit_bias(fields)?,
            logprobs: None,
            seed: fields.whole("seed", i64::MIN..=i64::MAX)?.map(i64::cast_unsigned),
            n: fields.count("n", 1..=MAX_ANSWERS)?.unwrap_or(1),
            max_tokens: fields.count("max_tokens", 1..=u32::MAX)?,
            stop: take_stop(fields)?,
        })
    }
}

fn take_top_k(fields: &mut Fields) -> Result<u32, ApiError> {
    let top_k = fields.whole("top_k", -1..=i64::from(u32::MAX))?.unwrap_or(0);
    // Of all that is allowed only -1 is no u32: it means the same as 0.
    Ok(u32::try_from(top_k).unwrap_or(0))
}

fn take_logit_bias(fields: &mut Fields) -> Result<Vec<(u32, f32)>, ApiError> {
    let Some(members) = fields.object("logit_bias")? else { return Ok(Vec::new()) };
    if members.len() > MAX_BIASES {
        return Err(fields.invalid("logit_bias"));
    }
    let mut biases = BTreeMap::new();
    for (token, value) in members {
        // A sign is no digit, and would let one token have two names.
        let number = Some(&token).filter(|token| token.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|token| token.parse::<u32>().ok());
        let (Some(number), Some(bias)) = (number, number_in(&value, &(-100.0..=100.0))) else {
            return Err(fields.invalid("logit_bias"));
        };
        if biases.insert(number, bias).is_some() {
            let message = format!("'logit_bias' has the token {number} twice");
            return Err(ApiError::invalid("logit_bias", message));
        }
    }
    Ok(biases.into_iter().collect())
}

fn take_stop(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let values = match fields.take("stop") {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(value) => vec![value],
    };
    if values.len() > MAX_STOPS {
        return Err(fields.invalid("stop"));
    }
    let mut stop = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::String(text) if !text.is_empty() => stop.push(text),
            _ => return Err(fields.invalid("stop")),
        }
    }
    Ok(stop)
}

// === impl StreamOptions ===

impl StreamOptions {
    /// If a stream is wanted: how.
    pub(crate) fn take(fields: &mut Fields) -> Result<Option<Self>, ApiError> {
        let wanted = fields.bool("stream")?.unwrap_or(false);
        let options = fields.fields("stream_options", STREAM_OPTIONS)?;
        match (wanted, options) {
            (false, None) => Ok(None),
            (false, Some(_)) => Err(ApiError::invalid(
                "stream_options",
                "'stream_options' can only be given when 'stream' is true".to_owned(),
            )),
            (true, None) => Ok(Some(Self::default())),
            (true, Some(mut options)) => {
                let include_usage = options.bool("include_usage")?.unwrap_or(false);
                Ok(Some(Self { include_usage }))
            }
        }
    }
}
