//! Which tokens are drawn from, and the draw: in time that grows with the vocabulary, without sorting it.

use std::cmp::Ordering;

use crate::TokenId;

use super::SamplingOptions;

/// A token with its logit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) logit: f32,
    pub(super) token: TokenId,
}

impl Candidate {
    /// The better one first: the larger logit, of equal ones the first token.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.token.cmp(&other.token))
    }
}

/// All tokens in their order.
pub(super) fn candidates(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0..).zip(logits).map(|(token, logit)| Candidate { logit: *logit, token })
}

/// The best token, if one is possible.
pub(super) fn best(logits: &[f32]) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    for candidate in candidates(logits) {
        if candidate.logit > best.map_or(f32::NEG_INFINITY, |best| best.logit) {
            best = Some(candidate);
        }
    }
    best
}

/// The last token, from the best on, that is drawn from.
pub(super) fn floor(
    logits: &[f32],
    best: Candidate,
    options: &SamplingOptions,
    kept: &mut Vec<Candidate>,
) -> Candidate {
    // Probability relative to the best is the exponential of the distance in logits over the temperature.
    let least = if options.min_p > 0.0 {
        // The best stays whatever rounding does.
        (best.logit + options.temperature * options.min_p.ln()).min(best.logit)
    } else {
        f32::MIN
    };
    let mut floor = Candidate { logit: least, token: TokenId::MAX };
    if options.top_k == 0 && options.top_p == 1.0 {
        return floor;
    }
    kept.clear();
    kept.extend(candidates(logits).filter(|candidate| candidate.logit >= least));
    let top_k = options.top_k as usize;
    if top_k > 0 && top_k < kept.len() {
        let (_, last, _) = kept.select_nth_unstable_by(top_k - 1, Candidate::order);
        floor = *last;
        kept.truncate(top_k);
    }
    if options.top_p < 1.0 {
        floor = last_of_share(kept, best, options);
    }
    floor
}

/// Draws one of the tokens from the best to `floor`. `chance` is in `0.0..1.0`. Shares are laid out in the order of the
/// tokens, so how they were filtered does not matter.
pub(super) fn draw(
    logits: &[f32],
    best: Candidate,
    floor: Candidate,
    temperature: f32,
    chance: f64,
) -> TokenId {
    let kept = || candidates(logits).filter(|candidate| candidate.order(&floor).is_le());
    let total: f64 = kept().map(|candidate| weight(candidate, best, temperature)).sum();
    let mut left = chance * total;
    let mut last = best.token;
    for candidate in kept() {
        let weight = weight(candidate, best, temperature);
        if weight > 0.0 {
            last = candidate.token;
            if left < weight {
                break;
            }
            left -= weight;
        }
    }
    // Rounding may leave a little beyond the last token.
    last
}

/// Of the most probable tokens that together have the share `top_p`, the last: halves the candidates, keeping the half
/// in which it lies.
fn last_of_share(candidates: &mut [Candidate], best: Candidate, options: &SamplingOptions) -> Candidate {
    let share = |candidates: &[Candidate]| -> f64 {
        candidates.iter().map(|candidate| weight(*candidate, best, options.temperature)).sum()
    };
    let mut wanted = f64::from(options.top_p) * share(candidates);
    let mut rest = candidates;
    while rest.len() > 1 {
        let half = rest.len() / 2;
        rest.select_nth_unstable_by(half - 1, Candidate::order);
        let (better, worse) = rest.split_at_mut(half);
        let of_better = share(better);
        if of_better >= wanted {
            rest = better;
        } else {
            wanted -= of_better;
            rest = worse;
        }
    }
    rest.first().copied().unwrap_or(best)
}

/// The probability relative to that of the best token.
fn weight(candidate: Candidate, best: Candidate, temperature: f32) -> f64 {
    f64::from(((candidate.logit - best.logit) / temperature).exp())
}
