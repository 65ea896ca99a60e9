//! Two models on one text: how surprised each is by it, and how far what the one expects lies from what the other does.

use std::{num::NonZeroUsize, path::Path, thread};

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_gguf::{Gguf, ReadLimits};
use yard_kernels::{Machine, PageElement};
use yard_llm::{EncodeOptions, KeyValueCache, LogitRows, Model, Part, Scratch, Sequence, TokenId, Tokenizer};

/// Tokens of a step: a row of logits for each is in memory, for both models.
const STEP: usize = 64;

/// What was found.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in super::super) struct Compared {
    /// Tokens of the text that the models read.
    pub(in super::super) tokens: usize,
    /// e to the mean surprise at each token but the first.
    pub(in super::super) perplexity: f64,
    pub(in super::super) parent_perplexity: f64,
    /// The mean Kullback-Leibler divergence of what the parent expects from what this model expects, in nats.
    pub(in super::super) divergence: f64,
    /// How often both expect the same token most.
    pub(in super::super) agreement: f64,
}

/// A model that reads a text.
struct Reader {
    model: Model,
    cache: KeyValueCache,
    scratch: Scratch,
    sequence: Sequence,
    logits: Vec<f32>,
}

pub(super) fn on_text(parent: &Path, child: &Path, text: &str) -> Result<Compared> {
    let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let machine = Machine::new(processors).context("cannot start the threads")?;
    let file = Gguf::open(parent, &ReadLimits::default())?;
    let tokenizer = Tokenizer::from_metadata(file.metadata())?;
    let mut tokens = tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: false });
    let parent = Model::from_file(file, &machine, &mut |_| {})?;
    let child = Model::from_file(Gguf::open(child, &ReadLimits::default())?, &machine, &mut |_| {})?;
    tokens.truncate(parent.config().context);
    let (mut parent, mut child) = (Reader::new(parent, tokens.len())?, Reader::new(child, tokens.len())?);
    let vocabulary = parent.model.vocabulary();
    let mut sums = Sums::default();
    for (number, step) in tokens.chunks(STEP).enumerate() {
        parent.read(&machine, step)?;
        child.read(&machine, step)?;
        // The logits behind a token are about the next one, of which the last token has none.
        let next = tokens[number * STEP..].iter().skip(1);
        let rows = parent.logits.chunks_exact(vocabulary).zip(child.logits.chunks_exact(vocabulary));
        for ((of_parent, of_child), token) in rows.zip(next) {
            sums.add(of_parent, of_child, *token);
        }
    }
    Ok(sums.compared(tokens.len()))
}

impl Reader {
    fn new(model: Model, positions: usize) -> Result<Self> {
        let cache = KeyValueCache::new(model.config(), positions.max(1), PageElement::F16)?;
        let (scratch, sequence, logits) = (Scratch::new(), Sequence::new(), Vec::new());
        Ok(Self { model, cache, scratch, sequence, logits })
    }

    fn read(&mut self, machine: &Machine, tokens: &[TokenId]) -> Result<()> {
        self.cache.reserve(&mut self.sequence, tokens.len())?;
        let part = Part { sequence: &mut self.sequence, tokens, logits: LogitRows::All };
        self.model.step(machine, &mut self.cache, &mut self.scratch, &mut [part], &mut self.logits)?;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Sums {
    rows: usize,
    surprise: f64,
    parent_surprise: f64,
    divergence: f64,
    agreed: usize,
}

impl Sums {
    fn add(&mut self, parent: &[f32], child: &[f32], next: TokenId) {
        let (parent_total, child_total) = (log_of_sum(parent), log_of_sum(child));
        let next = next as usize;
        self.rows += 1;
        self.parent_surprise += parent_total - f64::from(parent[next]);
        self.surprise += child_total - f64::from(child[next]);
        for (parent, child) in parent.iter().zip(child) {
            let (expected, other) = (f64::from(*parent) - parent_total, f64::from(*child) - child_total);
            self.divergence += expected.exp() * (expected - other);
        }
        self.agreed += usize::from(best(parent) == best(child));
    }

    fn compared(&self, tokens: usize) -> Compared {
        let rows = self.rows.max(1) as f64;
        Compared {
            tokens,
            perplexity: (self.surprise / rows).exp(),
            parent_perplexity: (self.parent_surprise / rows).exp(),
            divergence: self.divergence / rows,
            agreement: self.agreed as f64 / rows,
        }
    }
}

/// The logarithm of the sum of the exponentials.
fn log_of_sum(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum::<f64>().ln()
}

fn best(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|one, other| logits[*one].total_cmp(&logits[*other]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definitions() {
        let mut sums = Sums::default();
        // Three to one against one to one.
        let (parent, child) = ([3.0_f32.ln(), 0.0], [0.0, 0.0]);
        sums.add(&parent, &child, 0);
        let compared = sums.compared(2);
        assert!((compared.parent_perplexity - 4.0 / 3.0).abs() < 1e-6, "{compared:?}");
        assert!((compared.perplexity - 2.0).abs() < 1e-6, "{compared:?}");
        let expected = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        assert!((compared.divergence - expected).abs() < 1e-6, "{compared:?}");
        let mut same = Sums::default();
        same.add(&parent, &parent, 1);
        assert!(same.compared(2).divergence.abs() < 1e-12 && same.compared(2).agreement == 1.0);
    }
}
