use burn::tensor::{
    Device, Tensor, TensorData,
    module::{conv2d, max_pool2d},
    ops::{ConvOptions, MaxPoolOptions},
};
use yard_data::draw;

use super::{convolution::convolve, pooling::max_pool, *};
use crate::{
    loss::{Classes, Loss, Targets},
    model::outputs,
    parameters::{Role, numbers},
};

const WINDOW: Window = Window { size: [2, 2], stride: [2, 2], padding: [0, 0] };

fn dense(units: usize, activation: Option<Activation>) -> LayerPlan {
    LayerPlan::Dense { units, activation }
}

fn convolution(filters: usize, size: usize, stride: usize, padding: usize) -> LayerPlan {
    let window = Window { size: [size; 2], stride: [stride; 2], padding: [padding; 2] };
    LayerPlan::Convolution { filters, window, activation: None }
}

fn network(input: &[usize], layers: &[LayerPlan]) -> Network {
    let plan = NetworkPlan { input: input.to_vec(), layers: layers.to_vec(), head: Head::Softmax };
    Network::new(&plan, 5).unwrap()
}

fn some_numbers(count: usize, step: u64) -> Vec<f32> {
    let mut source = draw(11, "test", step);
    std::iter::repeat_with(|| source.normal() as f32).take(count).collect()
}

/// The gradient that burn finds for every parameter must be the one by central differences.
fn check_gradients(input: &[usize], layers: &[LayerPlan]) {
    let mut network = network(input, layers);
    // Parameters away from the places they start at, where a mistake could hide behind a 0 or a 1.
    for (step, parameter) in network.parameters.iter_mut().enumerate() {
        if parameter.role == Role::Offset {
            let noise = some_numbers(parameter.values.len(), 100 + step as u64);
            parameter.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.3 * noise);
        }
    }
    let row_length: usize = input.iter().product();
    let count = 6;
    let rows = some_numbers(count * row_length, 1);
    let width = network.outputs();
    let classes: Vec<u32> = (0..count as u32).map(|row| row % width as u32).collect();
    let loss = Loss::CategoricalCrossEntropy(Classes::default());
    let pass = Pass::Train { seed: 3, batch: 0 };
    let run = |network: &Network| {
        let device = Device::flex().autodiff();
        let data = TensorData::new(rows.clone(), [count, row_length]);
        let leaves = Leaves::trained(&network.parameters);
        let outcome = network.forward(&leaves, Tensor::from_data(data, &device), &pass);
        (leaves, outcome.outputs)
    };
    let value = |network: &Network| {
        let outputs = numbers(run(network).1.inner());
        loss.judge(&outputs, width, Targets::Classes(&classes)).value
    };
    let (leaves, output) = run(&network);
    let judged = loss.judge(&numbers(output.clone().inner()), width, Targets::Classes(&classes));
    let slope = TensorData::new(judged.gradient, [count, width]);
    let slope = Tensor::<2>::from_data(slope, &Device::flex());
    let gradients = leaves.gradients(&mut (output * slope).sum().backward());
    for (index, gradient) in gradients.iter().enumerate() {
        if network.parameters[index].role == Role::Statistic {
            assert!(gradient.is_empty());
            continue;
        }
        assert_eq!(gradient.len(), network.parameters[index].values.len());
        for (place, stated) in gradient.iter().enumerate() {
            let kept = network.parameters[index].values[place];
            let mut moved = |change: f32| {
                network.parameters[index].values[place] = kept + change;
                value(&network)
            };
            let step = 1.0 / 128.0;
            let difference = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            network.parameters[index].values[place] = kept;
            let stated = f64::from(*stated);
            let name = &network.parameters[index].name;
            assert!(
                (difference - stated).abs() < 2e-3 + 2e-2 * stated.abs(),
                "{name}[{place}] of {layers:?}: {stated}, not {difference}"
            );
        }
    }
}

#[test]
fn gradients_of_dense_networks_agree_with_finite_differences() {
    for activation in [Activation::Gelu, Activation::Tanh, Activation::Sigmoid, Activation::Softmax] {
        check_gradients(&[5], &[dense(4, Some(activation)), dense(3, None)]);
    }
    // Dropout draws the same masks again for the same batch.
    check_gradients(&[3], &[LayerPlan::Dropout { rate: 0.4 }, dense(3, None)]);
    check_gradients(&[4], &[dense(4, None), LayerPlan::LayerNorm { epsilon: 1e-5 }, dense(3, None)]);
    let batch_norm = LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 };
    check_gradients(
        &[4],
        &[dense(4, None), batch_norm, LayerPlan::Activation(Activation::Tanh), dense(3, None)],
    );
}

#[test]
fn gradients_of_image_networks_agree_with_finite_differences() {
    let end = [LayerPlan::Flatten, dense(2, None)];
    let with = |layers: &[LayerPlan]| [layers, &end[..]].concat();
    check_gradients(&[2, 5, 4], &with(&[convolution(3, 3, 1, 1), LayerPlan::AveragePool(WINDOW)]));
    check_gradients(&[2, 5, 5], &with(&[convolution(2, 2, 2, 0)]));
    check_gradients(&[1, 4, 4], &with(&[convolution(2, 1, 1, 0), convolution(2, 3, 1, 0)]));
    let batch_norm = LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 };
    check_gradients(&[2, 4, 4], &with(&[convolution(2, 3, 1, 1), batch_norm, LayerPlan::MaxPool(WINDOW)]));
}

#[test]
fn a_batch_norm_keeps_running_statistics_as_pytorch_does() {
    let network = network(&[1], &[LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 }]);
    let data = TensorData::new(vec![1.0_f32, 2.0, 6.0], [3, 1]);
    let rows = Tensor::from_data(data, &Device::flex().autodiff());
    let leaves = Leaves::trained(&network.parameters);
    let outcome = network.forward(&leaves, rows, &Pass::Train { seed: 0, batch: 0 });
    let [(2, mean), (3, variance)] = &outcome.statistics[..] else { panic!("{:?}", outcome.statistics) };
    assert!((mean[0] - 0.3).abs() < 1e-6, "{mean:?}");
    assert!((variance[0] - (0.9 + 0.1 * 7.0)).abs() < 1e-6, "{variance:?}");
}

#[test]
fn dropout_keeps_the_mean_in_training_and_does_nothing_in_prediction() {
    let network = network(&[20_000], &[LayerPlan::Dropout { rate: 0.25 }]);
    let ones = vec![1.0_f32; 20_000];
    assert_eq!(outputs(&network, &ones, 20_000), ones);
    let run = |batch| {
        let data = TensorData::new(ones.clone(), [1, 20_000]);
        let rows = Tensor::from_data(data, &Device::flex().autodiff());
        let leaves = Leaves::trained(&network.parameters);
        numbers(network.forward(&leaves, rows, &Pass::Train { seed: 1, batch }).outputs.inner())
    };
    let dropped = run(0);
    let mean = dropped.iter().sum::<f32>() / 20_000.0;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    assert!(dropped.iter().all(|value| *value == 0.0 || *value == 4.0 / 3.0));
    assert_eq!(dropped, run(0));
    assert_ne!(dropped, run(1));
}

#[test]
fn layers_that_do_not_fit_are_named() {
    let check = |input: &[usize], layers: &[LayerPlan], expected: &str| {
        let plan = NetworkPlan { input: input.to_vec(), layers: layers.to_vec(), head: Head::Numbers };
        assert_eq!(Network::new(&plan, 0).unwrap_err().to_string(), expected);
    };
    check(
        &[1, 8, 8],
        &[convolution(4, 3, 1, 0), dense(10, None)],
        "layer 2 (dense) takes one line of numbers, not [4, 6, 6]: put a flatten before it",
    );
    check(
        &[64],
        &[convolution(4, 3, 1, 0)],
        "layer 1 (conv2d) takes an image [channels, height, width], not [64]",
    );
    check(&[1, 2, 2], &[convolution(4, 5, 1, 1)], "layer 1 (conv2d) has a window of 5 over 4 numbers");
    check(&[4], &[dense(0, None)], "layer 1 (dense) would give nothing");
    check(
        &[4],
        &[LayerPlan::Dropout { rate: 1.0 }],
        "layer 1 (dropout) drops a part of 1: it must be from 0 to below 1",
    );
    check(
        &[100_000],
        &[dense(100_000, None)],
        "layer 1 (dense) would have 100000 x 100000 weights, more than 268435456",
    );
}

#[test]
fn a_batch_gives_what_its_rows_give_alone() {
    let layers = [
        convolution(3, 3, 1, 1),
        LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 },
        LayerPlan::MaxPool(WINDOW),
        LayerPlan::Flatten,
        dense(4, Some(Activation::Gelu)),
        dense(3, None),
    ];
    let network = network(&[2, 6, 6], &layers);
    let rows = some_numbers(5 * 72, 2);
    let together = outputs(&network, &rows, 72);
    let alone: Vec<f32> = rows.chunks(72).flat_map(|row| outputs(&network, row, 72)).collect();
    for (one, other) in together.iter().zip(&alone) {
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}

/// What an operation gives, and the gradients of all that went in, for an upstream gradient that differs everywhere.
fn output_and_gradients(
    inputs: &[(Vec<f32>, [usize; 4])],
    operation: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) -> Vec<Vec<f32>> {
    let device = Device::flex().autodiff();
    let leaf = |(values, shape): &(Vec<f32>, [usize; 4])| {
        Tensor::<4>::from_data(TensorData::new(values.clone(), *shape), &device).require_grad()
    };
    let leaves: Vec<Tensor<4>> = inputs.iter().map(leaf).collect();
    let output = operation(&leaves);
    let upstream = TensorData::new(some_numbers(output.dims().iter().product(), 9), output.dims());
    let upstream = Tensor::<4>::from_data(upstream, &Device::flex());
    let mut gradients = (output.clone() * upstream).sum().backward();
    let mut all = vec![numbers(output.inner())];
    all.extend(leaves.iter().map(|leaf| numbers(leaf.grad_remove(&mut gradients).unwrap())));
    all
}

fn assert_close(own: &[Vec<f32>], other: &[Vec<f32>], case: &str) {
    assert_eq!(own.len(), other.len());
    for (own, other) in own.iter().zip(other) {
        assert_eq!(own.len(), other.len(), "{case}");
        for (own, other) in own.iter().zip(other) {
            assert!((own - other).abs() <= 2e-5 * other.abs().max(1.0), "{case}: {own}, not {other}");
        }
    }
}

/// Windows that overlap, leave gaps, stand over the edge, and are not square.
fn windows() -> Vec<Window> {
    let mut windows = Vec::new();
    for size in [[1, 1], [2, 2], [3, 3], [3, 2], [2, 4]] {
        for stride in [[1, 1], [2, 2], [3, 1], [1, 3]] {
            for padding in [[0, 0], [size[0] / 2, size[1] / 2]] {
                windows.push(Window { size, stride, padding });
            }
        }
    }
    windows
}

#[test]
fn pooling_agrees_with_burns_own() {
    for window in windows() {
        let inputs = [(some_numbers(2 * 3 * 7 * 6, 4), [2, 3, 7, 6])];
        let own = output_and_gradients(&inputs, |leaves| max_pool(leaves[0].clone(), window));
        let options =
            MaxPoolOptions::new(window.size).with_stride(window.stride).with_padding(window.padding);
        let other = output_and_gradients(&inputs, |leaves| max_pool2d(leaves[0].clone(), options.clone()));
        assert_close(&own, &other, &format!("{window:?}"));
    }
}

#[test]
fn convolution_agrees_with_burns_own() {
    for window in windows() {
        let [height, width] = window.size;
        let inputs = [
            (some_numbers(2 * 3 * 7 * 6, 5), [2, 3, 7, 6]),
            (some_numbers(4 * 3 * height * width, 6), [4, 3, height, width]),
            (some_numbers(4, 7), [4, 1, 1, 1]),
        ];
        let own = output_and_gradients(&inputs, |leaves| {
            convolve(leaves[0].clone(), leaves[1].clone(), leaves[2].clone().reshape([4]), window)
        });
        let options = ConvOptions::new(window.stride, window.padding, [1, 1], 1);
        let other = output_and_gradients(&inputs, |leaves| {
            let offsets = Some(leaves[2].clone().reshape([4]));
            conv2d(leaves[0].clone(), leaves[1].clone(), offsets, options.clone())
        });
        assert_close(&own, &other, &format!("{window:?}"));
    }
}

#[test]
fn a_number_that_is_none_is_not_lost_in_a_pool() {
    let network = network(&[1, 2, 2], &[LayerPlan::MaxPool(WINDOW)]);
    for place in 0..4 {
        let mut picture = [1.0, 2.0, 3.0, 4.0];
        picture[place] = f32::NAN;
        assert!(outputs(&network, &picture, 4)[0].is_nan(), "{place}");
    }
}

#[test]
fn the_gradient_of_relu_is_that_of_what_is_let_through() {
    let inputs = [(vec![-2.0, -0.5, 0.5, 3.0], [1, 1, 1, 4])];
    let own = output_and_gradients(&inputs, |leaves| burn::tensor::activation::relu(leaves[0].clone()));
    let upstream = some_numbers(4, 9);
    assert_eq!(own, [vec![0.0, 0.0, 0.5, 3.0], vec![0.0, 0.0, upstream[2], upstream[3]]]);
}
