//! The choice of the next token.
//!
//! What a request asks for is done in this order, which is vLLM's and, up to the temperature, llama.cpp's as well:
//!
//! 1. log-probabilities are read off the model's own logits, before anything changes them;
//! 2. tokens that a constraint forbids are left out;
//! 3. `logit_bias` is added;
//! 4. penalties: `repetition` (tokens of prompt and answer), then `frequency` and `presence` (of the answer);
//! 5. at temperature 0 the best token is taken, of equal ones the first; otherwise logits are divided by it;
//! 6. `min_p`, then `top_k`, then `top_p`, each of what the one before has left;
//! 7. one draw.
//!
//! llama.cpp applies the temperature last, so that its filters see the model's distribution. Here they see the one that
//! is drawn from: so do vLLM, Transformers and the services whose requests have these fields.

use std::collections::BTreeMap;

use crate::TokenId;

mod draws;
mod filters;
mod log_probabilities;
mod options;
mod stopping;

use draws::uniform;
use filters::Candidate;
pub use log_probabilities::TokenLogProbability;
pub use options::{SamplingError, SamplingOptions};
pub use stopping::{StopMatcher, StopOptions, StopReason, StoppedText};

/// Chooses the tokens of one answer.
///
/// A choice depends on the logits, the options and how many tokens the answer has: not on time, threads, or other
/// answers. Equal requests give equal tokens.
#[derive(Debug)]
pub struct Sampler {
    options: SamplingOptions,
    /// How often each token is in the answer: 0 for those of the prompt only. Empty when there are no penalties.
    seen: BTreeMap<TokenId, u32>,
    /// How many tokens the answer has.
    written: u64,
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Which.
    pub token: TokenId,
    /// The logarithm of its probability, as the model has it. Present if log-probabilities are asked for.
    pub log_probability: Option<f32>,
    /// The most probable tokens, best first: as many as are asked for.
    pub most_probable: Vec<TokenLogProbability>,
}

/// Memory for choices, as large as a vocabulary. One serves any number of answers, one after the other.
#[derive(Debug, Default)]
pub struct SamplingScratch {
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

/// Tokens that a constraint allows: a bit each, the first token's is the lowest bit of the first word. Tokens beyond
/// the words are forbidden.
#[derive(Debug, Clone, Copy)]
pub struct AllowedTokens<'a>(pub &'a [u32]);

impl AllowedTokens<'_> {
    /// Whether a token is allowed.
    #[must_use]
    pub fn contains(&self, token: TokenId) -> bool {
        self.0.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
    }
}

impl Sampler {
    /// For an answer to `prompt`.
    ///
    /// # Errors
    ///
    /// An option is out of its range.
    pub fn new(options: SamplingOptions, prompt: &[TokenId]) -> Result<Self, SamplingError> {
        options.check()?;
        let mut seen = BTreeMap::new();
        if options.repetition_penalty != 1.0 {
            seen.extend(prompt.iter().map(|token| (*token, 0)));
        }
        Ok(Self { options, seen, written: 0 })
    }

    /// The next token, by what the model says of each. It is not yet part of the answer: see [`Sampler::accept`].
    ///
    /// # Errors
    ///
    /// A logit is not a number or infinitely large, a biased token is beyond the vocabulary, or no token is possible.
    pub fn sample(
        &self,
        logits: &[f32],
        allowed: Option<AllowedTokens<'_>>,
        scratch: &mut SamplingScratch,
    ) -> Result<Sampled, SamplingError> {
        check_logits(logits)?;
        let SamplingScratch { logits: changed, candidates } = scratch;
        changed.clear();
        changed.extend_from_slice(logits);
        if let Some(allowed) = allowed {
            forbid(changed, allowed);
        }
        self.add_bias(changed)?;
        self.penalize(changed);
        let best = filters::best(changed).ok_or(SamplingError::NothingPossible)?;
        let token = if self.options.temperature == 0.0 {
            best.token
        } else {
            let floor = filters::floor(changed, best, &self.options, candidates);
            let chance = uniform(self.options.seed, self.written);
            filters::draw(changed, best, floor, self.options.temperature, chance)
        };
        let (log_probability, most_probable) = match self.options.log_probabilities {
            None => (None, Vec::new()),
            Some(count) => {
                let logarithms = log_probabilities::LogProbabilities::of(logits);
                let most_probable = logarithms.most_probable(count as usize, candidates);
                (Some(logarithms.of_token(token)), most_probable)
            }
        };
        Ok(Sampled { token, log_probability, most_probable })
    }

    /// Makes `token` part of the answer, whether it was chosen here or not.
    pub fn accept(&mut self, token: TokenId) {
        self.written += 1;
        let options = &self.options;
        if options.repetition_penalty != 1.0
            || options.frequency_penalty != 0.0
            || options.presence_penalty != 0.0
        {
            let times = self.seen.entry(token).or_default();
            *times = times.saturating_add(1);
        }
    }

    fn add_bias(&self, logits: &mut [f32]) -> Result<(), SamplingError> {
        let size = logits.len();
        for (token, bias) in &self.options.logit_bias {
            let logit = logits
                .get_mut(*token as usize)
                .ok_or(SamplingError::BiasedToken { token: *token, vocabulary: size })?;
            *logit = bounded(*logit + bias);
        }
        Ok(())
    }

    fn penalize(&self, logits: &mut [f32]) {
        let options = &self.options;
        for (token, times) in &self.seen {
            // Prompts may hold tokens that a model's last layer does not speak of.
            let Some(logit) = logits.get_mut(*token as usize) else { continue };
            let repeated = if *logit > 0.0 {
                *logit / options.repetition_penalty
            } else {
                *logit * options.repetition_penalty
            };
            let present = if *times > 0 { options.presence_penalty } else { 0.0 };
            *logit = bounded(repeated - options.frequency_penalty * *times as f32 - present);
        }
    }
}

/// Impossible tokens stay impossible; all others stay numbers.
fn bounded(logit: f32) -> f32 {
    logit.min(f32::MAX)
}

fn forbid(logits: &mut [f32], allowed: AllowedTokens<'_>) {
    for (token, logit) in (0..).zip(logits) {
        if !allowed.contains(token) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn check_logits(logits: &[f32]) -> Result<(), SamplingError> {
    match logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        Some(token) => Err(SamplingError::Logit { token, logit: logits[token] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
