//! The layers of a network, as far as they can be checked before the shape of the data is known.

use crate::{
    error::SpecError,
    shapes::{at, network_shapes},
    spec::{Activation, Layer, Loss, NetworkModel, Task},
};

/// Most layers; deeper networks of these layers do not learn.
const MAX_LAYERS: usize = 200;

pub(super) fn check_network(network: &NetworkModel, task: Option<Task>, loss: Loss) -> Result<(), SpecError> {
    let layers = &network.layers;
    let Some(last) = layers.last() else {
        return Err(SpecError::contradiction("model.layers", "a network needs at least one layer"));
    };
    if layers.len() > MAX_LAYERS {
        let problem = format!("there are {} layers; at most {MAX_LAYERS} are taken", layers.len());
        return Err(SpecError::contradiction("model.layers", problem));
    }
    check_softmax(layers)?;
    let end = layers.len() - 1;
    if let Layer::Dropout(_) = last {
        return Err(at(end, last, "has nothing to protect at the end of a network: remove it".to_owned()));
    }
    let Some(outputs) = outputs(network)? else { return Ok(()) };
    let [outputs] = outputs[..] else {
        let problem = format!("the network ends in {outputs:?}: add a flatten and a dense layer");
        return Err(at(end, last, problem));
    };
    check_outputs(layers, outputs, task, loss).map_err(|problem| at(end, last, problem))
}

/// The shape that the network ends in, if it can be known without the shape of the data.
fn outputs(network: &NetworkModel) -> Result<Option<Vec<usize>>, SpecError> {
    let layers = &network.layers;
    if let Some(input) = &network.input {
        if input.is_empty() || input.len() > 3 {
            let problem = format!("{input:?} is neither [features] nor [channels, height, width]");
            return Err(SpecError::contradiction("model.input", problem));
        }
        return Ok(network_shapes(input, layers)?.pop());
    }
    for (index, layer) in layers.iter().enumerate() {
        match layer {
            // Whatever comes in, this is what comes out; all layers after it can be checked.
            Layer::Dense(_) => {
                let known = network_shapes(&[1], &layers[index..]).map_err(|error| shifted(error, index))?;
                return Ok(known.last().cloned());
            }
            Layer::Conv2d(_) | Layer::MaxPool2d(_) | Layer::AveragePool2d(_) => {
                let problem = "needs the shape of its pictures: set model.input to [channels, height, width]";
                return Err(at(index, layer, problem.to_owned()));
            }
            Layer::BatchNorm(_)
            | Layer::LayerNorm(_)
            | Layer::Dropout(_)
            | Layer::Flatten
            | Layer::Activation(_) => {}
        }
    }
    Ok(None)
}

/// Layers are counted from the first of the network, also where only the later ones were checked.
fn shifted(error: SpecError, by: usize) -> SpecError {
    match error {
        SpecError::Layer { number, kind, problem } => SpecError::Layer { number: number + by, kind, problem },
        other => other,
    }
}

fn activation_of(layer: &Layer) -> Option<Activation> {
    match layer {
        Layer::Dense(keys) => Some(keys.activation),
        Layer::Conv2d(keys) => Some(keys.activation),
        Layer::Activation(keys) => Some(keys.function),
        _ => None,
    }
}

fn check_softmax(layers: &[Layer]) -> Result<(), SpecError> {
    for (index, layer) in layers.iter().enumerate() {
        if activation_of(layer) != Some(Activation::Softmax) {
            continue;
        }
        if let Layer::Conv2d(_) = layer {
            let problem =
                "softmax makes shares of all outputs: put it on a dense layer at the end of the network";
            return Err(at(index, layer, problem.to_owned()));
        }
        if index + 1 < layers.len() {
            let problem = "softmax makes shares of all outputs: use it in the last layer only";
            return Err(at(index, layer, problem.to_owned()));
        }
    }
    Ok(())
}

fn check_outputs(layers: &[Layer], outputs: usize, task: Option<Task>, loss: Loss) -> Result<(), String> {
    let last = layers.last().and_then(activation_of).unwrap_or(Activation::None);
    if last == Activation::Softmax && outputs < 2 {
        return Err(
            "softmax over one output is always 1: use sigmoid for two classes, none for a number".to_owned()
        );
    }
    match task {
        Some(Task::Regression) => {
            if last == Activation::Softmax {
                return Err("softmax is for classification: use no activation to predict a number".to_owned());
            }
            if outputs != 1 {
                return Err(format!("regression predicts one number, but the network ends in {outputs}"));
            }
        }
        Some(Task::Classification) => {
            if !matches!(last, Activation::Softmax | Activation::Sigmoid | Activation::None) {
                return Err(format!("classes need probabilities, which {last} does not give: use softmax"));
            }
            if last == Activation::Sigmoid && outputs > 1 {
                return Err(format!("sigmoid is for one output, not {outputs}: use softmax"));
            }
        }
        Some(Task::Auto) | None => {}
    }
    match loss {
        Loss::BinaryCrossEntropy if outputs != 1 => Err(format!(
            "binary_cross_entropy takes one output, not {outputs}: use one with sigmoid, or \
             categorical_cross_entropy"
        )),
        Loss::CategoricalCrossEntropy if outputs == 1 => {
            Err("categorical_cross_entropy takes one output for each \
             class, not one in all: use one for each with softmax, or binary_cross_entropy"
                .to_owned())
        }
        _ => Ok(()),
    }
}
