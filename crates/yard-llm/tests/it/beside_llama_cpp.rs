//! SmolLM2 beside llama.cpp: what that continues texts with, and how far both are from the same weights unrounded.
//!
//! llama.cpp's tokens and its divergence are in `reference/continuations.txt`, which `cargo xtask bench llm-quality --write`
//! writes. The reference here is this engine on the same weights as F32, with keys and values in F32; the file also has a
//! few logits of a reference in numpy, to which this one is held.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use yard_gguf::{BlockType, Gguf, ReadLimits};
use yard_kernels::{Machine, PageElement};
use yard_llm::{KeyValueCache, LogitRows, Model, Part, Scratch, Sequence, TokenId};

use crate::requantized::{requantize, rewrite};

const CONTINUATIONS: &str = include_str!("../reference/continuations.txt");
const LEAST_AGREEMENT: f64 = 0.97;
/// Choices closer than this, in logits of the reference, are as good as equal.
const NEAR_TIE: f32 = 0.5;
/// What our divergence may be, of llama.cpp's.
const MOST_DIVERGENCE: f64 = 1.1;

/// What llama.cpp did with a model.
#[derive(Default)]
struct Recorded {
    /// Mean divergence of its distributions from the reference's.
    divergence: f64,
    prompts: Vec<Recording>,
}

#[derive(Default)]
struct Recording {
    prompt: Vec<TokenId>,
    /// Some logits of the reference in numpy after the prompt.
    logits: Vec<(usize, f32)>,
    /// What llama.cpp chose.
    tokens: Vec<TokenId>,
}

impl Recorded {
    fn named(name: &str) -> Self {
        let numbers = |rest: &str| rest.split(' ').map(|token| token.parse().unwrap()).collect();
        let mut recorded = Self::default();
        let mut is_wanted = false;
        for line in CONTINUATIONS.lines() {
            let (what, rest) = line.split_once(' ').unwrap();
            if let Some((model, divergence)) = rest.split_once(' ').filter(|_| what == "model") {
                is_wanted = model == name;
                if is_wanted {
                    recorded.divergence = divergence.parse().unwrap();
                }
            } else if is_wanted && what == "prompt" {
                recorded.prompts.push(Recording { prompt: numbers(rest), ..Recording::default() });
            } else if is_wanted {
                let recording = recorded.prompts.last_mut().unwrap();
                if what == "tokens" {
                    recording.tokens = numbers(rest);
                } else {
                    let told = rest.split(' ').map(|told| told.split_once(':').unwrap());
                    recording.logits =
                        told.map(|(token, logit)| (token.parse().unwrap(), logit.parse().unwrap())).collect();
                }
            }
        }
        assert_eq!(recorded.prompts.len(), 8, "{name}");
        recorded
    }
}

/// A model in memory.
struct Loaded {
    machine: Machine,
    model: Model,
    cache: KeyValueCache,
    scratch: Scratch,
}

impl Loaded {
    fn new(path: &Path, element: PageElement) -> Self {
        let machine = Machine::new(NonZeroUsize::new(2).unwrap()).unwrap();
        let model = Model::load(path, &machine, &mut |_| {}).unwrap();
        let cache = KeyValueCache::new(model.config(), 512, element).unwrap();
        Self { machine, model, cache, scratch: Scratch::new() }
    }

    /// The logits after each token from `first` on.
    fn logits(&mut self, tokens: &[TokenId], first: usize) -> Vec<Vec<f32>> {
        let mut sequence = Sequence::new();
        let mut logits = Vec::new();
        self.cache.reserve(&mut sequence, tokens.len()).unwrap();
        for (tokens, wanted) in [(&tokens[..first], LogitRows::None), (&tokens[first..], LogitRows::All)] {
            let part = Part { sequence: &mut sequence, tokens, logits: wanted };
            self.model
                .step(&self.machine, &mut self.cache, &mut self.scratch, &mut [part], &mut logits)
                .unwrap();
        }
        self.cache.release(sequence);
        logits.chunks_exact(self.model.vocabulary()).map(<[f32]>::to_vec).collect()
    }
}

/// A file of the set-up with its matrices in another type, and the same weights as F32.
fn files(kind: BlockType) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (quantized, floats) = (folder.path().join("quantized.gguf"), folder.path().join("floats.gguf"));
    let packaged = yard_fixtures::language_model("smollm2-135m-q4_1");
    let open = |path: &Path| Gguf::open(path, &ReadLimits::default()).unwrap();
    requantize(&open(&packaged), kind, &quantized).unwrap();
    rewrite(&open(&quantized), |_| BlockType::F32, &floats).unwrap();
    (folder, quantized, floats)
}

fn check(name: &str, kind: BlockType) {
    let recorded = Recorded::named(name);
    let (_folder, quantized, floats) = files(kind);
    let mut reference = Loaded::new(&floats, PageElement::F32);
    let mut ours = Loaded::new(&quantized, PageElement::F16);
    let (mut steps, mut agreed, mut divergence) = (0, 0, 0.0);
    for Recording { prompt, logits, tokens } in &recorded.prompts {
        let fed: Vec<TokenId> = prompt.iter().chain(&tokens[..tokens.len() - 1]).copied().collect();
        let expected = reference.logits(&fed, prompt.len() - 1);
        let actual = ours.logits(&fed, prompt.len() - 1);
        for (token, logit) in logits {
            let own = expected[0][*token];
            assert!((own - logit).abs() < 2e-3, "{name}: token {token} has logit {own}, numpy says {logit}");
        }
        for ((expected, actual), chosen) in expected.iter().zip(&actual).zip(tokens) {
            let (own, chosen) = (best(actual), *chosen as usize);
            let gap = (expected[own] - expected[chosen]).abs();
            // Far apart with ours the reference's own choice, it is llama.cpp that is off.
            let is_right = gap < NEAR_TIE || own == best(expected);
            assert!(is_right, "{name}: {own} for llama.cpp's {chosen}, {gap} apart in the reference");
            steps += 1;
            agreed += u32::from(own == chosen);
            divergence += divergence_of(expected, actual);
        }
    }
    assert_eq!(steps, 512);
    let agreement = f64::from(agreed) / f64::from(steps);
    assert!(agreement >= LEAST_AGREEMENT, "{name}: {agreed} of {steps} tokens are llama.cpp's");
    let (mean, allowed) = (divergence / f64::from(steps), recorded.divergence * MOST_DIVERGENCE);
    assert!(mean <= allowed, "{name}: a mean divergence of {mean}, {allowed} is allowed");
}

fn best(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, token| if logits[token] > logits[best] { token } else { best })
}

/// Kullback and Leibler's, of the distributions that logits stand for.
fn divergence_of(expected: &[f32], actual: &[f32]) -> f64 {
    let log_sum = |logits: &[f32]| {
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        largest + logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum::<f64>().ln()
    };
    let (expected_sum, actual_sum) = (log_sum(expected), log_sum(actual));
    let terms = expected.iter().zip(actual).map(|(expected, actual)| {
        let log = f64::from(*expected) - expected_sum;
        log.exp() * (log - (f64::from(*actual) - actual_sum))
    });
    terms.sum()
}

#[test]
fn q4_0_continues_texts_as_llama_cpp_does() {
    check("smollm2-135m-q4_0", BlockType::Q4_0);
}

#[test]
fn q8_0_continues_texts_as_llama_cpp_does() {
    check("smollm2-135m-q8_0", BlockType::Q8_0);
}

#[test]
fn q4_1_continues_texts_as_llama_cpp_does() {
    check("smollm2-135m-q4_1", BlockType::Q4_1);
}
