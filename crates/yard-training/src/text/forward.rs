//! The forward pass over burn's tensors.
//!
//! Words stand below each other, `[texts * longest, width]`, so that every dense layer is one product of matrices.

use burn::tensor::{Int, Tensor, TensorData, activation, module::embedding};

use super::{
    network::{EPSILON, TextNetwork},
    tokenizer::PADDING,
};
use crate::{
    model::Pass,
    parameters::{Leaves, numbers},
};

/// Added to the scores of places that hold no word: e to this is 0 beside any other score.
pub(super) const NOT_THERE: f32 = -1e9;
/// Attention takes so many scores at once when it predicts: little memory.
const SCORES_AT_ONCE: usize = 1 << 22;

/// Texts of a batch, cut to the longest.
struct Texts {
    count: usize,
    longest: usize,
    ids: Vec<i32>,
}

/// Outputs for rows of numbers of words.
pub(super) fn text(network: &TextNetwork, leaves: &Leaves, rows: &Tensor<2>, pass: &Pass) -> Tensor<2> {
    let [count, length] = rows.dims();
    let ids = numbers(rows.clone());
    let at_once = match pass {
        Pass::Train { .. } => count,
        Pass::Predict => (SCORES_AT_ONCE / (network.plan().heads * length * length).max(1)).max(1),
    };
    let parts = ids.chunks(at_once.max(1) * length.max(1));
    let parts = parts.map(|ids| part(network, leaves, Texts::new(ids, length), pass));
    Tensor::cat(parts.collect(), 0)
}

impl Texts {
    fn new(ids: &[f32], length: usize) -> Self {
        let words = |row: &[f32]| row.iter().rposition(|id| *id != PADDING as f32).map_or(0, |last| last + 1);
        let rows = || ids.chunks_exact(length.max(1));
        let longest = rows().map(words).max().unwrap_or_default().max(1);
        let ids = rows().flat_map(|row| row[..longest].iter().map(|id| *id as i32)).collect();
        Self { count: rows().count(), longest, ids }
    }

    /// Which places hold words.
    fn is_word(&self) -> impl Iterator<Item = bool> {
        self.ids.iter().map(|id| *id != PADDING as i32)
    }

    /// How much each place counts in the mean over its text.
    fn shares(&self) -> Vec<f32> {
        let is_word: Vec<bool> = self.is_word().collect();
        let mut shares = Vec::with_capacity(is_word.len());
        for text in is_word.chunks(self.longest) {
            let words = text.iter().filter(|is_word| **is_word).count();
            let share = 1.0 / words.max(1) as f32;
            shares.extend(text.iter().map(|is_word| if *is_word { share } else { 0.0 }));
        }
        shares
    }
}

fn part(network: &TextNetwork, leaves: &Leaves, texts: Texts, pass: &Pass) -> Tensor<2> {
    let plan = network.plan();
    let (count, longest, width) = (texts.count, texts.longest, plan.width);
    let words = leaves.get::<2>(0);
    let device = words.device().without_autodiff();
    let float =
        |values: Vec<f32>, shape: [usize; 4]| Tensor::<4>::from_data(TensorData::new(values, shape), &device);
    let masked = texts.is_word().map(|is_word| if is_word { 0.0 } else { NOT_THERE }).collect();
    let masked = float(masked, [count, 1, 1, longest]);
    let shares: Tensor<3> = float(texts.shares(), [count, longest, 1, 1]).reshape([count, longest, 1]);
    let ids = Tensor::<2, Int>::from_data(TensorData::new(texts.ids, [count, longest]), &words.device());

    let places = leaves.get::<2>(1).narrow(0, 0, longest).reshape([1, longest, width]);
    let value = (embedding(words, ids) + places).reshape([count * longest, width]);
    let mut value = dropout(value, plan.dropout, "words", pass);
    for block in 0..plan.blocks {
        let places = TextNetwork::block(block);
        let normal = layer_norm(value.clone(), leaves, places.first_norm);
        let found = attention(network, leaves, normal, block, [count, longest], masked.clone());
        value = value + dropout(found, plan.dropout, &format!("blocks.{block}.attention"), pass);
        let normal = layer_norm(value.clone(), leaves, places.second_norm);
        let wide = activation::gelu(dense(normal, leaves, places.widened));
        let narrow = dense(wide, leaves, places.narrowed);
        value = value + dropout(narrow, plan.dropout, &format!("blocks.{block}.dense"), pass);
    }
    let value = layer_norm(value, leaves, network.end()).reshape([count, longest, width]);
    let mean = (value * shares).sum_dim(1).reshape([count, width]);
    dense(mean, leaves, network.end() + 2)
}

/// What each word finds in the others.
fn attention(
    network: &TextNetwork,
    leaves: &Leaves,
    value: Tensor<2>,
    block: usize,
    [count, longest]: [usize; 2],
    masked: Tensor<4>,
) -> Tensor<2> {
    let (width, heads) = (network.plan().width, network.plan().heads);
    let each = width / heads;
    let places = TextNetwork::block(block);
    let all = dense(value, leaves, places.attention);
    let part = |number: usize| -> Tensor<4> {
        let part = all.clone().narrow(1, number * width, width);
        part.reshape([count, longest, heads, each]).swap_dims(1, 2)
    };
    let queries = part(0) * scale(each);
    let scores = queries.matmul(part(1).swap_dims(2, 3)) + masked;
    let found = activation::softmax(scores, 3).matmul(part(2));
    let found = found.swap_dims(1, 2).reshape([count * longest, width]);
    dense(found, leaves, places.joined)
}

/// Keeps scores of the same size whatever the width of a head.
pub(super) fn scale(width_of_head: usize) -> f32 {
    1.0 / (width_of_head as f32).sqrt()
}

/// A dense layer whose weight and offset stand at this place.
fn dense(value: Tensor<2>, leaves: &Leaves, place: usize) -> Tensor<2> {
    let product = value.matmul(leaves.get::<2>(place));
    let [_, outputs] = product.dims();
    product + leaves.shaped(place + 1, [1, outputs])
}

fn layer_norm(value: Tensor<2>, leaves: &Leaves, place: usize) -> Tensor<2> {
    let [_, width] = value.dims();
    let centred = value.clone() - value.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    let normal = centred / (variance + EPSILON).sqrt();
    normal * leaves.shaped(place, [1, width]) + leaves.shaped(place + 1, [1, width])
}

/// Drops numbers by a mask drawn for this step and place alone.
fn dropout(value: Tensor<2>, rate: f32, purpose: &str, pass: &Pass) -> Tensor<2> {
    if rate == 0.0 {
        return value;
    }
    let Some(mut source) = pass.draw(&format!("dropout.{purpose}")) else { return value };
    let kept = 1.0 / (1.0 - rate);
    let shape = value.dims();
    let threshold = f64::from(rate);
    let one = || if source.uniform() < threshold { 0.0 } else { kept };
    let mask: Vec<f32> = std::iter::repeat_with(one).take(shape[0] * shape[1]).collect();
    value.clone() * Tensor::<2>::from_data(TensorData::new(mask, shape), &value.device().without_autodiff())
}
