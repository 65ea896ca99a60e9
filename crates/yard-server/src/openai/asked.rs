//! What is asked of a model, whichever route asks it.

use yard_api::openai::{AnswerHead, OutputFormat, SamplingFields};
use yard_language::messages::{Bias, GenerateRequest, Grammar, Priority, Sampling, Terms, grammar};
use yard_types::ErrorCode;

use super::{
    spending::{Answers, Spending},
    target::Target,
};
use crate::{clock, dispatch::OwnedCall, failure::Failure};

/// Most answers of one request: each takes a place of those that a model has under way.
const MOST_ANSWERS: usize = 64;
/// Longest text that ends an answer, and longest grammar or schema, in bytes: the model refuses longer ones, of which a
/// request with many answers would send many copies.
const LONGEST_STOP: usize = 1 << 10;
const LONGEST_GRAMMAR: usize = 128 << 10;

/// Prompts and how they are answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// In tokens.
    pub(super) prompts: Vec<Vec<u32>>,
    pub(super) sampling: SamplingFields,
    pub(super) output: OutputFormat,
}

impl Asked {
    /// Begins all answers: those to the first prompt first. `param` is where the request has its prompts.
    pub(super) fn begin(
        self,
        call: &OwnedCall,
        target: &Target,
        param: &'static str,
    ) -> Result<Answers, Failure> {
        self.check_size()?;
        let longest = target.model.facts().longest;
        for prompt in &self.prompts {
            check_length(prompt.len() as u64, self.sampling.max_tokens, longest, param)?;
        }
        let seed = match self.sampling.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|_| Failure::internal("there are no random numbers"))?,
        };
        let n = u64::from(self.sampling.n);
        let grammar = self.grammar()?;
        let (read, written) = self.most_tokens(longest);
        let spending = Spending::reserve(call, target, read, written)?;
        let mut all = Vec::new();
        for (index, prompt) in self.prompts.into_iter().enumerate() {
            for of_prompt in 0..n {
                let request = GenerateRequest {
                    prompt: prompt.clone(),
                    sampling: Some(sampling(&self.sampling, seed.wrapping_add(index as u64 * n + of_prompt))),
                    stop_strings: self.sampling.stop.clone(),
                    stop_tokens: Vec::new(),
                    most_tokens: self.sampling.max_tokens.map(u64::from),
                    grammar: grammar.clone(),
                    terms: Some(terms(call, target)),
                };
                all.push(target.model.generate(&request)?);
            }
        }
        Ok(Answers { all, spending })
    }

    /// Tokens of all prompts, each once, and the most that all answers may have.
    fn most_tokens(&self, longest: u64) -> (u64, u64) {
        let n = u64::from(self.sampling.n);
        let of_answer = |prompt: u64| {
            let room = longest.saturating_sub(prompt);
            self.sampling.max_tokens.map_or(room, |most| room.min(u64::from(most)))
        };
        let lengths = self.prompts.iter().map(|prompt| prompt.len() as u64);
        lengths.fold((0, 0), |(read, written), prompt| (read + prompt, written + n * of_answer(prompt)))
    }
}

impl Asked {
    fn check_size(&self) -> Result<(), Failure> {
        let answers = self.prompts.len() * self.sampling.n as usize;
        if answers > MOST_ANSWERS {
            let message = format!(
                "{} prompts with {} answers each are {answers} answers, and a request can have {MOST_ANSWERS}: ask in several requests",
                self.prompts.len(),
                self.sampling.n
            );
            return Err(Failure::invalid(message).with_param("n"));
        }
        if let Some(stop) = self.sampling.stop.iter().find(|stop| stop.len() > LONGEST_STOP) {
            let message = format!("a stop text has {} bytes, at most {LONGEST_STOP} are allowed", stop.len());
            return Err(Failure::invalid(message).with_param("stop"));
        }
        Ok(())
    }

    fn grammar(&self) -> Result<Option<Grammar>, Failure> {
        let (grammar, length) = match &self.output {
            OutputFormat::Text => return Ok(None),
            OutputFormat::JsonObject => (grammar::Grammar::JsonObject(true), 0),
            OutputFormat::JsonSchema { schema, .. } => {
                let text = serde_json::to_string(schema).map_err(Failure::internal)?;
                let length = text.len();
                (grammar::Grammar::JsonSchema(text), length)
            }
            OutputFormat::Regex(pattern) => (grammar::Grammar::Regex(pattern.clone()), pattern.len()),
            OutputFormat::Grammar(text) => (grammar::Grammar::Lark(text.clone()), text.len()),
        };
        if length > LONGEST_GRAMMAR {
            let message =
                format!("a grammar or schema of {length} bytes, at most {LONGEST_GRAMMAR} are allowed");
            return Err(Failure::invalid(message).with_param("response_format"));
        }
        Ok(Some(Grammar { grammar: Some(grammar) }))
    }
}

/// The salt of all keys of a model that shares. No tenant has this name: those of keys are hexadecimal digits.
const SHARED_SALT: &str = "model";

/// For whom a request is, what share of the model is its key's, and for how long it is wanted. What was computed for one key
/// is not shared with another unless the model's options say so.
pub(super) fn terms(call: &OwnedCall, target: &Target) -> Terms {
    let tenant = call.principal.key_id().map_or_else(|| "without keys".to_owned(), |id| id.to_string());
    let limit = u64::try_from(call.state.options.answer_timeout.as_millis()).unwrap_or(u64::MAX);
    let priority = if call.in_background { Priority::Background } else { Priority::Interactive };
    Terms {
        tenant,
        weight: call.principal.weight().get(),
        salt: target.lease.shares_prefixes().then(|| SHARED_SALT.to_owned()),
        deadline_milliseconds: Some(limit),
        priority: priority.into(),
    }
}

/// What an answer begins with.
pub(super) fn head(target: &Target, prefix: &str, call: &OwnedCall) -> AnswerHead {
    AnswerHead {
        id: format!("{prefix}-{}", call.request_id),
        created: u64::try_from(clock::now().0 / 1_000).unwrap_or_default(),
        model: target.name.clone(),
        system_fingerprint: Some(target.fingerprint()),
    }
}

/// Says both lengths when a prompt and its answer have no room.
pub(super) fn check_length(
    prompt: u64,
    most: Option<u32>,
    longest: u64,
    param: &'static str,
) -> Result<(), Failure> {
    let too_long = |message: String, param| {
        Err(Failure::invalid(message).with_param(param).with_detail("context_length_exceeded"))
    };
    if prompt >= longest {
        let message = format!(
            "the prompt has {prompt} tokens, and the model reads and writes at most {longest} with its answer: shorten the prompt"
        );
        return too_long(message, param);
    }
    match most.map(u64::from) {
        Some(most) if prompt + most > longest => too_long(
            format!(
                "the prompt has {prompt} tokens and the answer may have {most}, together {}, and the model has room for \
                 {longest}: shorten the prompt or ask for fewer tokens",
                prompt + most
            ),
            "max_tokens",
        ),
        _ => Ok(()),
    }
}

fn sampling(fields: &SamplingFields, seed: u64) -> Sampling {
    Sampling {
        temperature: Some(fields.temperature),
        top_k: Some(fields.top_k),
        top_p: Some(fields.top_p),
        min_p: Some(fields.min_p),
        repetition_penalty: Some(fields.repetition_penalty),
        presence_penalty: Some(fields.presence_penalty),
        frequency_penalty: Some(fields.frequency_penalty),
        logit_bias: fields
            .logit_bias
            .iter()
            .map(|(token, bias)| Bias { token: *token, bias: *bias })
            .collect(),
        seed: Some(seed),
        log_probabilities: fields.logprobs,
    }
}

/// An answer that was given up before its end.
pub(super) fn given_up() -> Failure {
    Failure::new(ErrorCode::DeadlineExceeded, "the answer was not complete in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_without_room_is_told_both_lengths() {
        assert!(check_length(99, Some(1), 100, "prompt").is_ok());
        assert!(check_length(99, None, 100, "prompt").is_ok());
        let failure = check_length(100, None, 100, "prompt").unwrap_err();
        assert!(failure.message().contains("100 tokens") && failure.message().contains("at most 100"));
        let failure = check_length(60, Some(50), 100, "prompt").unwrap_err();
        for number in ["60", "50", "110", "100"] {
            assert!(failure.message().contains(number), "{}", failure.message());
        }
        assert_eq!(failure.detail, Some("context_length_exceeded"));
    }
}
