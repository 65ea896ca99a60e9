//! How probable tokens were.

use std::collections::HashSet;

use serde::{Serialize, Serializer, ser::SerializeMap};

/// Stands for the logarithm of a probability of 0, which JSON cannot carry.
const IMPOSSIBLE: f32 = -9999.0;

/// The tokens of a chat's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatLogprobs {
    /// Token by token.
    pub content: Vec<TokenLogprob>,
    /// Always `null`: answers are never refusals.
    refusal: Option<()>,
}

/// A token of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// Its text.
    pub token: String,
    /// The logarithm of its probability.
    #[serde(serialize_with = "finite")]
    pub logprob: f32,
    /// Its bytes, since a character may be spread over several tokens.
    pub bytes: Option<Vec<u8>>,
    /// The most probable tokens in its place.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A token that an answer could have had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopLogprob {
    /// Its text.
    pub token: String,
    /// The logarithm of its probability.
    #[serde(serialize_with = "finite")]
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

/// The tokens of a completion. All lists have one entry for each token.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CompletionLogprobs {
    /// Their texts.
    pub tokens: Vec<String>,
    /// The logarithms of their probabilities.
    #[serde(serialize_with = "all_finite")]
    pub token_logprobs: Vec<f32>,
    /// The most probable tokens in their places.
    pub top_logprobs: Vec<TopLogprobs>,
    /// Where each begins in the text, in characters.
    pub text_offset: Vec<u64>,
}

/// Texts of tokens and the logarithms of their probabilities, the most probable first. It is written as an object, in
/// which a text can be only once: of tokens with the same text the first counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopLogprobs(pub Vec<(String, f32)>);

// === impl ChatLogprobs ===

impl ChatLogprobs {
    /// Of these tokens.
    #[must_use]
    pub const fn new(content: Vec<TokenLogprob>) -> Self {
        Self { content, refusal: None }
    }
}

// === impl TopLogprobs ===

impl Serialize for TopLogprobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seen = HashSet::new();
        let mut map = serializer.serialize_map(None)?;
        for (token, logprob) in &self.0 {
            if seen.insert(token) {
                map.serialize_entry(token, &bounded(*logprob))?;
            }
        }
        map.end()
    }
}

fn bounded(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { IMPOSSIBLE }
}

fn finite<S: Serializer>(logprob: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f32(bounded(*logprob))
}

fn all_finite<S: Serializer>(logprobs: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(logprobs.iter().map(|logprob| bounded(*logprob)))
}
