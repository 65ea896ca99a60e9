//! Probabilities as the model has them.

use crate::TokenId;

use super::filters::{Candidate, candidates};

/// A token and the natural logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLogProbability {
    /// Which token.
    pub token: TokenId,
    /// Its log-probability: 0 at most, minus infinity if it is impossible.
    pub log_probability: f32,
}

/// Logits with the logarithm of the sum of their exponentials.
pub(super) struct LogProbabilities<'a> {
    logits: &'a [f32],
    logarithm_of_sum: f64,
}

impl<'a> LogProbabilities<'a> {
    pub(super) fn of(logits: &'a [f32]) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
        Self { logits, logarithm_of_sum: f64::from(largest) + sum.ln() }
    }

    pub(super) fn of_token(&self, token: TokenId) -> f32 {
        let logit = self.logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        (f64::from(logit) - self.logarithm_of_sum) as f32
    }

    /// The most probable tokens, best first.
    pub(super) fn most_probable(
        &self,
        count: usize,
        scratch: &mut Vec<Candidate>,
    ) -> Vec<TokenLogProbability> {
        let count = count.min(self.logits.len());
        if count == 0 {
            return Vec::new();
        }
        scratch.clear();
        scratch.extend(candidates(self.logits));
        scratch.select_nth_unstable_by(count - 1, Candidate::order);
        let best = &mut scratch[..count];
        best.sort_unstable_by(Candidate::order);
        best.iter()
            .map(|Candidate { token, .. }| TokenLogProbability {
                token: *token,
                log_probability: self.of_token(*token),
            })
            .collect()
    }
}
