//! The forward pass of a network, over burn's tensors, so that burn can go it backwards.
//!
//! Between layers a row is always flat; a layer that sees images reshapes, which moves nothing.

use burn::tensor::{Tensor, TensorData, activation, module::avg_pool2d, ops::AvgPoolOptions};

use super::{Activation, Layer, LayerPlan, Network, Window, convolution::convolve, pooling::max_pool};
use crate::{
    model::{Outcome, Pass},
    parameters::{Leaves, numbers},
};

pub(super) fn network(network: &Network, leaves: &Leaves, rows: Tensor<2>, pass: &Pass) -> Outcome {
    let mut statistics = Vec::new();
    let mut value = rows;
    for (index, layer) in network.layers.iter().enumerate() {
        value = one(layer, index, leaves, value, pass, &mut statistics);
    }
    Outcome { outputs: value, statistics }
}

fn one(
    layer: &Layer,
    index: usize,
    leaves: &Leaves,
    value: Tensor<2>,
    pass: &Pass,
    statistics: &mut Vec<(usize, Vec<f32>)>,
) -> Tensor<2> {
    let first = layer.first;
    match &layer.plan {
        LayerPlan::Dense { units, activation } => {
            let product = value.matmul(leaves.get::<2>(first));
            activate(product + leaves.shaped(first + 1, [1, *units]), *activation)
        }
        LayerPlan::Convolution { window, activation, .. } => {
            let image = image(value, &layer.before);
            let convolved = convolve(image, leaves.get::<4>(first), leaves.get::<1>(first + 1), *window);
            activate(flat(convolved), *activation)
        }
        LayerPlan::MaxPool(window) => flat(max_pool(image(value, &layer.before), *window)),
        LayerPlan::AveragePool(window) => {
            flat(avg_pool2d(image(value, &layer.before), average_pool(*window)))
        }
        LayerPlan::BatchNorm { momentum, epsilon } => match pass {
            Pass::Train { .. } => batch_norm(layer, leaves, value, *momentum, *epsilon, statistics),
            Pass::Predict => {
                let channels = [1, layer.before[0], 1];
                let mean = leaves.shaped::<3>(first + 2, channels);
                let variance = leaves.shaped::<3>(first + 3, channels);
                let normal = (by_channel(value, &layer.before) - mean) / (variance + *epsilon).sqrt();
                scaled(normal, layer, leaves)
            }
        },
        LayerPlan::LayerNorm { epsilon } => {
            let length: usize = layer.before.iter().product();
            let centred = value.clone() - value.mean_dim(1);
            let variance = (centred.clone() * centred.clone()).mean_dim(1);
            let normal = centred / (variance + *epsilon).sqrt();
            normal * leaves.shaped(first, [1, length]) + leaves.shaped(first + 1, [1, length])
        }
        LayerPlan::Dropout { rate } => dropout(value, *rate, index, pass),
        LayerPlan::Flatten => value,
        LayerPlan::Activation(kind) => activate(value, Some(*kind)),
    }
}

fn activate(value: Tensor<2>, kind: Option<Activation>) -> Tensor<2> {
    match kind {
        None => value,
        Some(Activation::Relu) => activation::relu(value),
        Some(Activation::Gelu) => activation::gelu(value),
        Some(Activation::Tanh) => activation::tanh(value),
        Some(Activation::Sigmoid) => activation::sigmoid(value),
        Some(Activation::Softmax) => activation::softmax(value, 1),
    }
}

/// Normalizes by the statistics of the batch and notes what the running ones become.
fn batch_norm(
    layer: &Layer,
    leaves: &Leaves,
    value: Tensor<2>,
    momentum: f32,
    epsilon: f32,
    statistics: &mut Vec<(usize, Vec<f32>)>,
) -> Tensor<2> {
    let value = by_channel(value, &layer.before);
    let [rows, _, places] = value.dims();
    let mean = value.clone().mean_dim(2).mean_dim(0);
    let centred = value - mean.clone();
    let variance = (centred.clone() * centred.clone()).mean_dim(2).mean_dim(0);

    // The running variance is the unbiased one, as PyTorch keeps it.
    let count = (rows * places) as f32;
    let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
    let moved = |index: usize, batch: Vec<f32>, factor: f32| {
        let running = numbers(leaves.get::<1>(index).inner());
        let mix = |(old, new): (f32, f32)| (1.0 - momentum) * old + momentum * factor * new;
        (index, running.into_iter().zip(batch).map(mix).collect())
    };
    statistics.push(moved(layer.first + 2, numbers(mean.inner()), 1.0));
    statistics.push(moved(layer.first + 3, numbers(variance.clone().inner()), unbiased));

    scaled(centred / (variance + epsilon).sqrt(), layer, leaves)
}

fn scaled(normal: Tensor<3>, layer: &Layer, leaves: &Leaves) -> Tensor<2> {
    let channels = [1, layer.before[0], 1];
    let result = normal * leaves.shaped(layer.first, channels) + leaves.shaped(layer.first + 1, channels);
    result.flatten(1, 2)
}

/// Drops numbers by a mask drawn for this step and layer alone.
fn dropout(value: Tensor<2>, rate: f32, index: usize, pass: &Pass) -> Tensor<2> {
    let Some(mut source) = pass.draw(&format!("dropout.{index}")) else { return value };
    if rate == 0.0 {
        return value;
    }
    let kept = 1.0 / (1.0 - rate);
    let shape = value.dims();
    let threshold = f64::from(rate);
    let one = || if source.uniform() < threshold { 0.0 } else { kept };
    let mask: Vec<f32> = std::iter::repeat_with(one).take(shape[0] * shape[1]).collect();
    let mask = Tensor::<2>::from_data(TensorData::new(mask, shape), &value.device().without_autodiff());
    value * mask
}

fn image(value: Tensor<2>, shape: &[usize]) -> Tensor<4> {
    let [rows, _] = value.dims();
    value.reshape([rows, shape[0], shape[1], shape[2]])
}

fn by_channel(value: Tensor<2>, shape: &[usize]) -> Tensor<3> {
    let [rows, _] = value.dims();
    value.reshape([rows, shape[0], shape[1..].iter().product()])
}

fn flat(value: Tensor<4>) -> Tensor<2> {
    value.flatten(1, 3)
}

fn average_pool(window: Window) -> AvgPoolOptions<2> {
    let options = AvgPoolOptions::new(window.size).with_stride(window.stride);
    options.with_padding(window.padding).with_count_include_pad(false)
}
