//! The model: words and their places, blocks of attention, the mean of what comes out.

use burn::tensor::Tensor;
use yard_data::draw;

use super::forward;
use crate::{
    error::TrainingError,
    model::{Model, Outcome, Pass},
    parameters::{Leaves, Parameter, Role},
};

/// More numbers than this in one parameter or one step are a slip of the pen, not a model for one machine.
const MOST_NUMBERS: usize = 1 << 28;
/// The deviation of the first numbers that stand for words and places.
const FIRST_DEVIATION: f64 = 0.05;
/// Added to the variance by layer norms.
pub(super) const EPSILON: f32 = 1e-5;
/// Parameters of a block.
const IN_BLOCK: usize = 12;
/// Parameters before the first block: words and places.
const BEFORE_BLOCKS: usize = 2;

/// What a text classifier is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextPlan {
    /// How many numbers of words there are, with padding and the unknown word.
    pub words: usize,
    /// Most words of a text.
    pub max_tokens: usize,
    /// Numbers that stand for a word.
    pub width: usize,
    /// Heads of attention, which share the width.
    pub heads: usize,
    /// Blocks of attention and a dense part.
    pub blocks: usize,
    /// Width of the dense part.
    pub hidden: usize,
    /// The part of the numbers that is dropped in training.
    pub dropout: f32,
    /// What is told apart.
    pub classes: usize,
}

/// A transformer that tells what a text is about.
///
/// Every block adds to each word what attention finds in the other words, and then what two dense layers make of that;
/// both read their input through a layer norm. The mean over a text's words goes through one dense layer to the classes.
/// A text without words is all zeros there.
#[derive(Debug, Clone)]
pub struct TextNetwork {
    plan: TextPlan,
    parameters: Vec<Parameter>,
}

/// Where the parameters of a part stand.
pub(super) struct BlockPlaces {
    pub(super) first_norm: usize,
    pub(super) attention: usize,
    pub(super) joined: usize,
    pub(super) second_norm: usize,
    pub(super) widened: usize,
    pub(super) narrowed: usize,
}

impl TextPlan {
    /// Checks what cannot be computed, for steps of so many rows.
    pub fn check(&self, batch_size: usize) -> Result<(), TrainingError> {
        let product = |sizes: &[usize]| sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let fits = |sizes: &[usize]| product(sizes).is_some_and(|numbers| numbers <= MOST_NUMBERS);
        let problem = |problem: String| Err(TrainingError::Mismatch(problem));
        let Self { words, max_tokens, width, heads, hidden, .. } = *self;
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return problem(format!("model.width = {width} is not a multiple of model.heads = {heads}"));
        }
        if !fits(&[words, width]) || !fits(&[width, hidden.max(3 * width)]) {
            return problem(format!(
                "a model of {words} words of {width} numbers has more than {MOST_NUMBERS} numbers in one part: lower \
                 model.vocabulary, model.width or model.hidden"
            ));
        }
        let longest = [batch_size, max_tokens, hidden.max(3 * width)];
        if !fits(&[batch_size, heads, max_tokens, max_tokens]) || !fits(&longest) {
            return problem(format!(
                "a step of {batch_size} texts of {max_tokens} words holds more than {MOST_NUMBERS} numbers in one part: \
                 lower model.max_tokens, model.heads or training.batch_size"
            ));
        }
        Ok(())
    }
}

impl TextNetwork {
    /// Draws the first numbers from (seed, "initialise", parameter).
    pub fn new(plan: &TextPlan, seed: u64) -> Result<Self, TrainingError> {
        plan.check(1)?;
        let mut parameters = parameters(plan);
        for (place, parameter) in (0..).zip(&mut parameters) {
            if parameter.role != Role::Weight {
                continue;
            }
            let mut source = draw(seed, "initialise", place);
            let is_table = place < BEFORE_BLOCKS as u64;
            let limit = limit_of_first_weights(parameter);
            for value in &mut parameter.values {
                *value = if is_table {
                    (FIRST_DEVIATION * source.normal()) as f32
                } else {
                    (limit * (2.0 * source.uniform() - 1.0)) as f32
                };
            }
        }
        Ok(Self { plan: *plan, parameters })
    }

    /// What it is made of.
    pub fn plan(&self) -> &TextPlan {
        &self.plan
    }

    /// Where the parameters of a block stand.
    pub(super) const fn block(number: usize) -> BlockPlaces {
        let first = BEFORE_BLOCKS + number * IN_BLOCK;
        BlockPlaces {
            first_norm: first,
            attention: first + 2,
            joined: first + 4,
            second_norm: first + 6,
            widened: first + 8,
            narrowed: first + 10,
        }
    }

    /// Where the parameters after the last block begin: a norm, then the dense layer.
    pub(super) const fn end(&self) -> usize {
        BEFORE_BLOCKS + self.plan.blocks * IN_BLOCK
    }
}

impl Model for TextNetwork {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn outputs(&self) -> usize {
        self.plan.classes
    }

    fn forward(&self, leaves: &Leaves, rows: Tensor<2>, pass: &Pass) -> Outcome {
        Outcome { outputs: forward::text(self, leaves, &rows, pass), statistics: Vec::new() }
    }
}

fn parameters(plan: &TextPlan) -> Vec<Parameter> {
    let TextPlan { words, max_tokens, width, blocks, hidden, classes, .. } = *plan;
    let mut parameters = vec![
        Parameter::zeros("words.weight", vec![words, width], Role::Weight),
        Parameter::zeros("places.weight", vec![max_tokens, width], Role::Weight),
    ];
    let norm = |parameters: &mut Vec<Parameter>, name: String| {
        parameters.push(Parameter::filled(format!("{name}.scale"), vec![width], Role::Offset, 1.0));
        parameters.push(Parameter::zeros(format!("{name}.offset"), vec![width], Role::Offset));
    };
    let dense = |parameters: &mut Vec<Parameter>, name: String, inputs: usize, outputs: usize| {
        parameters.push(Parameter::zeros(format!("{name}.weight"), vec![inputs, outputs], Role::Weight));
        parameters.push(Parameter::zeros(format!("{name}.offset"), vec![outputs], Role::Offset));
    };
    for block in 0..blocks {
        let name = |part: &str| format!("blocks.{block}.{part}");
        norm(&mut parameters, name("first_norm"));
        dense(&mut parameters, name("attention"), width, 3 * width);
        dense(&mut parameters, name("joined"), width, width);
        norm(&mut parameters, name("second_norm"));
        dense(&mut parameters, name("widened"), width, hidden);
        dense(&mut parameters, name("narrowed"), hidden, width);
    }
    norm(&mut parameters, "norm".to_owned());
    dense(&mut parameters, "classes".to_owned(), width, classes);
    parameters
}

/// Glorot's limit; queries, keys and values are three layers beside each other.
fn limit_of_first_weights(parameter: &Parameter) -> f64 {
    let [inputs, outputs] = parameter.shape[..] else { return 0.0 };
    let outputs = if outputs == 3 * inputs { inputs } else { outputs };
    (6.0 / (inputs + outputs).max(1) as f64).sqrt()
}
