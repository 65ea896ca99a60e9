//! What a training loop needs of a model.

use burn::tensor::Tensor;
use yard_data::{Draw, draw};

use crate::parameters::{Leaves, Parameter, numbers};

/// A differentiable model.
pub trait Model {
    /// Everything it has learned.
    fn parameters(&self) -> &[Parameter];

    /// The same, to be changed in place.
    fn parameters_mut(&mut self) -> &mut [Parameter];

    /// How many numbers it gives per row.
    fn outputs(&self) -> usize;

    /// Computes the outputs of some rows, before the head's softmax or sigmoid, with these parameters.
    fn forward(&self, leaves: &Leaves, rows: Tensor<2>, pass: &Pass) -> Outcome;
}

/// Whether a forward pass is one of learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Dropout drops and batch norms take the statistics of the batch.
    Train {
        /// The seed of the run.
        seed: u64,
        /// The batch, counted from 0 over the whole run.
        batch: u64,
    },
    /// Nothing is random, each row stands alone.
    Predict,
}

impl Pass {
    /// The randomness of this pass for a purpose; none when predicting.
    pub fn draw(&self, purpose: &str) -> Option<Draw> {
        match self {
            Self::Train { seed, batch } => Some(draw(*seed, purpose, *batch)),
            Self::Predict => None,
        }
    }
}

/// What a forward pass gave.
#[derive(Debug)]
pub struct Outcome {
    /// `[rows, outputs]`.
    pub outputs: Tensor<2>,
    /// New values of parameters that are statistics, by their number.
    pub statistics: Vec<(usize, Vec<f32>)>,
}

/// What the outputs of a model mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Numbers as they are.
    Numbers,
    /// One logit: the second of two classes against the first.
    Sigmoid,
    /// One logit per class.
    Softmax,
}

impl Head {
    /// How many numbers a prediction has, from the number of outputs.
    pub fn width(self, outputs: usize) -> usize {
        if self == Self::Sigmoid { 2 } else { outputs }
    }

    /// Turns outputs into predictions: probabilities of each class, or numbers.
    pub fn apply(self, outputs: &[f32], width: usize) -> Vec<f32> {
        match self {
            Self::Numbers => outputs.to_vec(),
            Self::Sigmoid => outputs
                .iter()
                .flat_map(|logit| {
                    let probability = 1.0 / (1.0 + (-logit).exp());
                    [1.0 - probability, probability]
                })
                .collect(),
            Self::Softmax => {
                let mut probabilities = outputs.to_vec();
                for row in probabilities.chunks_exact_mut(width.max(1)) {
                    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    row.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
                    let total: f32 = row.iter().sum();
                    row.iter_mut().for_each(|part| *part /= total);
                }
                probabilities
            }
        }
    }
}

/// Rows that a model takes at once when it predicts: enough for the kernels, little memory.
const ROWS_AT_ONCE: usize = 256;

/// The outputs for rows of `row_length` numbers each, before the head.
pub fn outputs(model: &dyn Model, rows: &[f32], row_length: usize) -> Vec<f32> {
    let leaves = Leaves::fixed(model.parameters());
    let device = burn::tensor::Device::flex();
    let mut all = Vec::with_capacity(rows.len() / row_length.max(1) * model.outputs());
    for chunk in rows.chunks(ROWS_AT_ONCE * row_length.max(1)) {
        let shape = [chunk.len() / row_length.max(1), row_length];
        let input = Tensor::<2>::from_data(burn::tensor::TensorData::new(chunk.to_vec(), shape), &device);
        all.extend(numbers(model.forward(&leaves, input, &Pass::Predict).outputs));
    }
    all
}
