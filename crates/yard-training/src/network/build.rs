//! From a plan to a network: shapes, parameters, first weights.

use yard_data::draw;

use super::{Activation, Layer, LayerPlan, Network, NetworkPlan, Window};
use crate::{
    error::TrainingError,
    parameters::{Parameter, Role},
};

/// More numbers than this in one row or one parameter are a slip of the pen, not a network for one machine.
const MOST_NUMBERS: usize = 1 << 28;

pub(super) fn network(plan: &NetworkPlan, seed: u64) -> Result<Network, TrainingError> {
    let mut network =
        Network { input: plan.input.clone(), head: plan.head, layers: Vec::new(), parameters: Vec::new() };
    // A single layer is a convex problem: zeros lead to the same place as any draw, sooner.
    let dense = plan.layers.iter().filter(|layer| matches!(layer, LayerPlan::Dense { .. })).count();
    let starts_at_zero = dense == 1 && plan.layers.len() == 1;
    let mut shape = plan.input.clone();
    for (index, layer) in plan.layers.iter().enumerate() {
        let fail = |problem: String| TrainingError::Layer { number: index + 1, layer: layer.name(), problem };
        let after = shape_after(layer, &shape).map_err(fail)?;
        let first = network.parameters.len();
        for mut parameter in parameters(layer, index, &shape) {
            if parameter.values.is_empty() {
                return Err(fail("would have no weights".to_owned()));
            }
            if parameter.role == Role::Weight && !starts_at_zero {
                let limit = limit_of_first_weights(layer, &parameter.shape);
                let mut source = draw(seed, "initialise", index as u64);
                let drawn = || (limit * (2.0 * source.uniform() - 1.0)) as f32;
                parameter.values = std::iter::repeat_with(drawn).take(parameter.values.len()).collect();
            }
            network.parameters.push(parameter);
        }
        network.layers.push(Layer { plan: *layer, before: shape, after: after.clone(), first });
        shape = after;
    }
    Ok(network)
}

fn shape_after(layer: &LayerPlan, before: &[usize]) -> Result<Vec<usize>, String> {
    let after = match layer {
        LayerPlan::Dense { units, .. } => match before {
            [inputs] => {
                if inputs.checked_mul(*units).is_none_or(|weights| weights > MOST_NUMBERS) {
                    return Err(format!("would have {inputs} x {units} weights, more than {MOST_NUMBERS}"));
                }
                vec![*units]
            }
            _ => return Err(format!("takes one line of numbers, not {before:?}: put a flatten before it")),
        },
        LayerPlan::Convolution { filters, window, .. } => {
            let [_, height, width] = image_after(before, *window)?;
            vec![*filters, height, width]
        }
        LayerPlan::MaxPool(window) | LayerPlan::AveragePool(window) => {
            if window.padding.iter().zip(window.size).any(|(padding, size)| 2 * padding > size) {
                return Err("pads by more than half of its window".to_owned());
            }
            image_after(before, *window)?.to_vec()
        }
        LayerPlan::Dropout { rate } if !(0.0..1.0).contains(rate) => {
            return Err(format!("drops a part of {rate}: it must be from 0 to below 1"));
        }
        LayerPlan::Flatten => vec![before.iter().product()],
        LayerPlan::BatchNorm { .. }
        | LayerPlan::LayerNorm { .. }
        | LayerPlan::Dropout { .. }
        | LayerPlan::Activation(_) => before.to_vec(),
    };
    let count = after.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match count {
        Some(1..=MOST_NUMBERS) => Ok(after),
        Some(0) => Err("would give nothing".to_owned()),
        _ => Err(format!("would give {after:?}, more than {MOST_NUMBERS} numbers a row")),
    }
}

fn image_after(before: &[usize], window: Window) -> Result<[usize; 3], String> {
    let [channels, height, width] = *before else {
        return Err(format!("takes an image [channels, height, width], not {before:?}"));
    };
    let along = |length: usize, axis: usize| {
        let (size, stride) = (window.size[axis], window.stride[axis]);
        let padded = length + 2 * window.padding[axis];
        if size == 0 || stride == 0 {
            return Err("has a window or a stride of 0".to_owned());
        }
        if size > padded {
            return Err(format!("has a window of {size} over {padded} numbers"));
        }
        Ok((padded - size) / stride + 1)
    };
    Ok([channels, along(height, 0)?, along(width, 1)?])
}

fn parameters(layer: &LayerPlan, index: usize, before: &[usize]) -> Vec<Parameter> {
    let name = |part: &str| format!("layers.{index}.{part}");
    let weight = |shape: Vec<usize>| Parameter::zeros(name("weight"), shape, Role::Weight);
    let offset = |length: usize| Parameter::zeros(name("offset"), vec![length], Role::Offset);
    let scale = |length: usize| Parameter::filled(name("scale"), vec![length], Role::Offset, 1.0);
    match layer {
        LayerPlan::Dense { units, .. } => {
            vec![weight(vec![before.iter().product(), *units]), offset(*units)]
        }
        LayerPlan::Convolution { filters, window, .. } => {
            vec![weight(vec![*filters, before[0], window.size[0], window.size[1]]), offset(*filters)]
        }
        LayerPlan::BatchNorm { .. } => {
            let channels = before[0];
            vec![
                scale(channels),
                offset(channels),
                Parameter::zeros(name("mean"), vec![channels], Role::Statistic),
                Parameter::filled(name("variance"), vec![channels], Role::Statistic, 1.0),
            ]
        }
        LayerPlan::LayerNorm { .. } => {
            let length = before.iter().product();
            vec![scale(length), offset(length)]
        }
        _ => Vec::new(),
    }
}

/// Weights are drawn evenly between plus and minus this: He's limit where half of the signal is cut off, Glorot's
/// where it passes.
fn limit_of_first_weights(layer: &LayerPlan, shape: &[usize]) -> f64 {
    let (inputs, outputs) = match shape {
        [inputs, outputs] => (*inputs, *outputs),
        [filters, channels, height, width] => (channels * height * width, filters * height * width),
        _ => (1, 1),
    };
    match layer.activation() {
        Some(Activation::Relu | Activation::Gelu) => (6.0 / inputs.max(1) as f64).sqrt(),
        _ => (6.0 / (inputs + outputs).max(1) as f64).sqrt(),
    }
}
