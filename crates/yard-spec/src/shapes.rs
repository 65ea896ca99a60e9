//! What a network makes of the shape of a row.

use crate::{
    error::SpecError,
    spec::{Activation, Layer, Pool2dLayer},
};

/// The shape of the values of one row.
pub type Shape = Vec<usize>;

/// Most values that a layer may make of one row.
pub const MAX_ROW_VALUES: usize = 1 << 24;

/// Most parameters of a network.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// The shape of a row after each layer, or the first layer that does not fit.
///
/// A network of more than [`MAX_PARAMETERS`] and a layer of more than [`MAX_ROW_VALUES`] do not fit either.
pub fn network_shapes(input: &[usize], layers: &[Layer]) -> Result<Vec<Shape>, SpecError> {
    walk(input, layers).map(|(shapes, _)| shapes)
}

/// How many numbers a network learns.
pub fn parameter_count(input: &[usize], layers: &[Layer]) -> Result<usize, SpecError> {
    walk(input, layers).map(|(_, parameters)| parameters)
}

fn walk(input: &[usize], layers: &[Layer]) -> Result<(Vec<Shape>, usize), SpecError> {
    let mut shape = input.to_vec();
    let mut shapes = Vec::with_capacity(layers.len());
    let mut parameters = 0_usize;
    for (index, layer) in layers.iter().enumerate() {
        let next = after(&shape, layer).map_err(|problem| at(index, layer, problem))?;
        parameters = learned_by(layer, &shape)
            .and_then(|own| parameters.checked_add(own))
            .filter(|parameters| *parameters <= MAX_PARAMETERS)
            .ok_or_else(|| {
                let problem = format!(
                    "the network would have more than {MAX_PARAMETERS} parameters up to here: make it smaller"
                );
                at(index, layer, problem)
            })?;
        shapes.push(next.clone());
        shape = next;
    }
    Ok((shapes, parameters))
}

pub(crate) fn at(index: usize, layer: &Layer, problem: String) -> SpecError {
    SpecError::Layer { number: index + 1, kind: layer.kind(), problem }
}

fn learned_by(layer: &Layer, input: &[usize]) -> Option<usize> {
    let first = input.first().copied().unwrap_or(0);
    match layer {
        Layer::Dense(keys) => first.checked_add(1)?.checked_mul(keys.units),
        Layer::Conv2d(keys) => keys
            .kernel
            .checked_mul(keys.kernel)?
            .checked_mul(first)?
            .checked_add(1)?
            .checked_mul(keys.filters),
        Layer::BatchNorm(_) | Layer::LayerNorm(_) => first.checked_mul(2),
        Layer::MaxPool2d(_)
        | Layer::AveragePool2d(_)
        | Layer::Dropout(_)
        | Layer::Flatten
        | Layer::Activation(_) => Some(0),
    }
}

/// The shape that a layer makes of a shape, or what does not fit.
fn after(shape: &[usize], layer: &Layer) -> Result<Shape, String> {
    if shape.is_empty() || shape.contains(&0) {
        return Err(format!("there is nothing to compute on: its input has the shape {shape:?}"));
    }
    let next = match layer {
        Layer::Dense(keys) => match shape {
            [_] => vec![keys.units],
            _ => {
                return Err(format!(
                    "takes rows of one dimension, not {shape:?}: put a flatten layer before it"
                ));
            }
        },
        Layer::Conv2d(keys) => {
            let [_, height, width] = picture(shape)?;
            let side = |side, name| windows(side, name, keys.kernel, keys.stride, keys.padding);
            vec![keys.filters, side(height, "height")?, side(width, "width")?]
        }
        Layer::MaxPool2d(keys) | Layer::AveragePool2d(keys) => pooled(shape, keys)?,
        Layer::BatchNorm(_) => match shape {
            [_] | [_, _, _] => shape.to_vec(),
            _ => return Err(format!("takes [features] or [channels, height, width], not {shape:?}")),
        },
        Layer::LayerNorm(_) => match shape {
            [_] => shape.to_vec(),
            _ => {
                return Err(format!(
                    "takes rows of one dimension, not {shape:?}: put a flatten layer before it"
                ));
            }
        },
        Layer::Dropout(_) => shape.to_vec(),
        Layer::Flatten => vec![values(shape)?],
        Layer::Activation(keys) => {
            if keys.function == Activation::Softmax && shape.len() != 1 {
                return Err(format!(
                    "softmax takes rows of one dimension, not {shape:?}: put a flatten layer before it"
                ));
            }
            shape.to_vec()
        }
    };
    values(&next)?;
    Ok(next)
}

fn picture(shape: &[usize]) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(shape).map_err(|_| {
        format!(
            "takes [channels, height, width], not {shape:?}: say the shape of the pictures in model.input"
        )
    })
}

fn pooled(shape: &[usize], keys: &Pool2dLayer) -> Result<Shape, String> {
    let [channels, height, width] = picture(shape)?;
    if keys.padding > keys.kernel / 2 {
        return Err(format!(
            "a padding of {} is more than half of the kernel, {}: some windows would hold nothing",
            keys.padding, keys.kernel
        ));
    }
    let side = |side, name| windows(side, name, keys.kernel, keys.steps(), keys.padding);
    Ok(vec![channels, side(height, "height")?, side(width, "width")?])
}

/// How many windows fit along one side.
fn windows(side: usize, name: &str, kernel: usize, stride: usize, padding: usize) -> Result<usize, String> {
    let padded = padding.checked_mul(2).and_then(|padding| side.checked_add(padding));
    let padded = padded.ok_or_else(|| "its padding is too large".to_owned())?;
    if padded < kernel {
        let with_padding = if padding > 0 { format!(" ({padded} with padding)") } else { String::new() };
        return Err(format!(
            "a kernel of {kernel} does not fit a {name} of {side}{with_padding}: use a smaller kernel or fewer pooling \
             layers before it"
        ));
    }
    let steps =
        (padded - kernel).checked_div(stride).ok_or_else(|| "its stride must be 1 or more".to_owned())?;
    Ok(steps + 1)
}

fn values(shape: &[usize]) -> Result<usize, String> {
    shape
        .iter()
        .try_fold(1_usize, |product, side| product.checked_mul(*side))
        .filter(|product| *product <= MAX_ROW_VALUES)
        .ok_or_else(|| format!("makes {shape:?} of a row, which is more than {MAX_ROW_VALUES} values"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelSpec, TrainingSpec};

    fn layers(list: &str) -> Vec<Layer> {
        let text = format!(
            "name = 'x'\n[data]\nbuiltin = 'iris'\n[model]\nkind = 'network'\ninput = [2, 9, 7]\nlayers = [{list}]"
        );
        match TrainingSpec::from_toml(&text).unwrap().model {
            ModelSpec::Network(network) => network.layers,
            other => panic!("{other:?}"),
        }
    }

    /// Sides follow floor((side + 2 padding - kernel) / stride) + 1; parameters are counted by hand.
    #[test]
    fn shapes_and_parameters_are_those_of_the_textbook() {
        let layers = layers(
            "{ type = 'conv2d', filters = 4, kernel = 3, stride = 2, padding = 1 }, { type = 'batch_norm' }, \
             { type = 'average_pool2d', kernel = 2 }, { type = 'activation', function = 'relu' }, \
             { type = 'flatten' }, { type = 'layer_norm' }, { type = 'dropout', rate = 0.5 }, \
             { type = 'dense', units = 3 }",
        );
        let expected: [&[usize]; 8] =
            [&[4, 5, 4], &[4, 5, 4], &[4, 2, 2], &[4, 2, 2], &[16], &[16], &[16], &[3]];
        assert_eq!(network_shapes(&[2, 9, 7], &layers).unwrap(), expected);
        let parameters = 4 * (2 * 3 * 3 + 1) + 2 * 4 + 2 * 16 + 3 * (16 + 1);
        assert_eq!(parameter_count(&[2, 9, 7], &layers).unwrap(), parameters);
    }

    #[test]
    fn a_shape_that_is_known_only_from_data_is_checked_the_same() {
        let layers = layers(
            "{ type = 'conv2d', filters = 4, kernel = 3 }, { type = 'flatten' }, { type = 'dense', units = 3 }",
        );
        let message = network_shapes(&[64], &layers).unwrap_err().to_string();
        assert!(
            message.starts_with("layer 1 (conv2d): takes [channels, height, width], not [64]"),
            "{message}"
        );
        assert!(network_shapes(&[], &layers).is_err());
        assert!(network_shapes(&[1, 0, 5], &layers).is_err());
        assert!(network_shapes(&[usize::MAX, 9, 9], &layers).is_err());
        assert!(parameter_count(&[1, usize::MAX, usize::MAX], &layers).is_err());
    }
}
