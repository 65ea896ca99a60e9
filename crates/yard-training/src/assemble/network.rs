//! The plan of a network.

use yard_spec::{
    Activation as SpecActivation, Layer, Loss, ModelSpec, NetworkModel, Task, TrainingSpec, network_shapes,
};

use crate::{Activation, Head, LayerPlan, NetworkPlan, TrainingError, Window};

/// The network of a specification for prepared rows of this shape and so many classes (none for numbers).
pub(crate) fn network_plan(
    spec: &TrainingSpec,
    task: Task,
    row: &[usize],
    classes: usize,
) -> Result<NetworkPlan, TrainingError> {
    let is_classification = task == Task::Classification;
    match &spec.model {
        ModelSpec::Network(network) => of_layers(network, is_classification, row, classes),
        _ => {
            let is_one_logit = classes == 2 && spec.training.loss != Loss::CategoricalCrossEntropy;
            let (units, head) = match (is_classification, is_one_logit) {
                (false, _) => (1, Head::Numbers),
                (true, true) => (1, Head::Sigmoid),
                (true, false) => (classes, Head::Softmax),
            };
            let layers = vec![LayerPlan::Dense { units, activation: None }];
            Ok(NetworkPlan { input: vec![row.iter().product()], layers, head })
        }
    }
}

fn of_layers(
    network: &NetworkModel,
    is_classification: bool,
    row: &[usize],
    classes: usize,
) -> Result<NetworkPlan, TrainingError> {
    let input = network.input.clone().unwrap_or_else(|| row.to_vec());
    let (wanted, given): (usize, usize) = (input.iter().product(), row.iter().product());
    if wanted != given {
        return Err(TrainingError::Mismatch(format!(
            "model.input is {input:?}, which is {wanted} numbers a row, but the prepared data have {given}: {row:?}"
        )));
    }
    let shapes = network_shapes(&input, &network.layers)?;
    let outputs = shapes.last().map_or(given, |shape| shape.iter().product());
    let mut layers: Vec<LayerPlan> = network.layers.iter().map(layer_plan).collect();
    let problem = |problem: String| TrainingError::Layer {
        number: network.layers.len(),
        layer: network.layers.last().map_or("none", Layer::kind),
        problem,
    };
    // Probabilities are made by the head, from the same numbers that the loss is computed of.
    let ending = take_ending(&mut layers);
    let head = match (is_classification, ending) {
        (false, None | Some(Ending::Hidden)) if outputs == 1 => Head::Numbers,
        (false, Some(Ending::Sigmoid)) if outputs == 1 => {
            layers.push(LayerPlan::Activation(Activation::Sigmoid));
            Head::Numbers
        }
        (false, Some(Ending::Softmax)) => {
            let text = "ends in softmax, which is for classes, but the label is a number: remove it, or choose task = \
                        \"classification\"";
            return Err(problem(text.to_owned()));
        }
        (false, _) => {
            return Err(problem(format!("gives {outputs} numbers, but one is foretold: units = 1")));
        }
        (true, Some(Ending::Hidden)) => {
            return Err(problem(
                "must end in softmax, sigmoid or no activation to give probabilities".to_owned(),
            ));
        }
        (true, None | Some(Ending::Sigmoid)) if outputs == 1 && classes == 2 => Head::Sigmoid,
        (true, None | Some(Ending::Softmax)) if outputs == classes => Head::Softmax,
        (true, _) => {
            let or_one = if classes == 2 { ", or units = 1 with sigmoid" } else { "" };
            return Err(problem(format!(
                "gives {outputs} numbers, but the label has {classes} classes: units = {classes} with softmax{or_one}"
            )));
        }
    };
    Ok(NetworkPlan { input, layers, head })
}

/// The activation that a network ends in.
enum Ending {
    Softmax,
    Sigmoid,
    Hidden,
}

/// Finds the last activation, and takes it away if it makes probabilities.
fn take_ending(layers: &mut Vec<LayerPlan>) -> Option<Ending> {
    let activation = match layers.last_mut()? {
        LayerPlan::Dense { activation, .. } | LayerPlan::Convolution { activation, .. } => {
            if matches!(activation, Some(Activation::Softmax | Activation::Sigmoid)) {
                activation.take()
            } else {
                *activation
            }
        }
        LayerPlan::Activation(activation) => {
            let activation = *activation;
            if matches!(activation, Activation::Softmax | Activation::Sigmoid) {
                layers.pop();
            }
            Some(activation)
        }
        _ => None,
    };
    activation.map(|activation| match activation {
        Activation::Softmax => Ending::Softmax,
        Activation::Sigmoid => Ending::Sigmoid,
        _ => Ending::Hidden,
    })
}

fn layer_plan(layer: &Layer) -> LayerPlan {
    let window = |size: usize, stride: usize, padding: usize| Window {
        size: [size; 2],
        stride: [stride; 2],
        padding: [padding; 2],
    };
    match layer {
        Layer::Dense(keys) => LayerPlan::Dense { units: keys.units, activation: activation(keys.activation) },
        Layer::Conv2d(keys) => LayerPlan::Convolution {
            filters: keys.filters,
            window: window(keys.kernel, keys.stride, keys.padding),
            activation: activation(keys.activation),
        },
        Layer::MaxPool2d(keys) => LayerPlan::MaxPool(window(keys.kernel, keys.steps(), keys.padding)),
        Layer::AveragePool2d(keys) => LayerPlan::AveragePool(window(keys.kernel, keys.steps(), keys.padding)),
        Layer::BatchNorm(keys) => {
            LayerPlan::BatchNorm { momentum: keys.momentum as f32, epsilon: keys.epsilon as f32 }
        }
        Layer::LayerNorm(keys) => LayerPlan::LayerNorm { epsilon: keys.epsilon as f32 },
        Layer::Dropout(keys) => LayerPlan::Dropout { rate: keys.rate as f32 },
        Layer::Flatten => LayerPlan::Flatten,
        // An activation that does nothing is a dropout that drops nothing.
        Layer::Activation(keys) => {
            activation(keys.function).map_or(LayerPlan::Dropout { rate: 0.0 }, LayerPlan::Activation)
        }
    }
}

const fn activation(activation: SpecActivation) -> Option<Activation> {
    match activation {
        SpecActivation::Relu => Some(Activation::Relu),
        SpecActivation::Gelu => Some(Activation::Gelu),
        SpecActivation::Tanh => Some(Activation::Tanh),
        SpecActivation::Sigmoid => Some(Activation::Sigmoid),
        SpecActivation::Softmax => Some(Activation::Softmax),
        SpecActivation::None => None,
    }
}
