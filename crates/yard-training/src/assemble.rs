//! From a specification and the shape of the data to the plans of a model and of a run.

mod forest;
mod network;
mod plan;
mod text;

use yard_data::{Column, Values};
use yard_spec::{Activation, ClassWeights, Layer, Loss, ModelSpec, Task, TrainingSpec};

use crate::TrainingError;

pub(crate) use forest::{boosted_trees, decision_tree};
pub(crate) use network::network_plan;
pub(crate) use plan::run_plan;
pub(crate) use text::text_plan;

/// What is foretold: what the specification says, else what its model and its loss can do, else what the label is.
pub(crate) fn task(spec: &TrainingSpec, label: &Column) -> Task {
    let by_model = match &spec.model {
        ModelSpec::Linear => Some(Task::Regression),
        ModelSpec::Logistic | ModelSpec::TextClassifier(_) => Some(Task::Classification),
        ModelSpec::Network(network) => match network.layers.last() {
            Some(Layer::Dense(keys)) if keys.activation == Activation::Softmax => Some(Task::Classification),
            Some(Layer::Activation(keys)) if keys.function == Activation::Softmax => {
                Some(Task::Classification)
            }
            _ => None,
        },
        ModelSpec::DecisionTree(_) | ModelSpec::BoostedTrees(_) => None,
    };
    let by_loss = match spec.training.loss {
        Loss::Auto => None,
        Loss::Mse | Loss::Mae | Loss::Huber => Some(Task::Regression),
        Loss::BinaryCrossEntropy | Loss::CategoricalCrossEntropy => Some(Task::Classification),
    };
    let by_label = match label.values {
        Values::Numbers(_) => Task::Regression,
        _ => Task::Classification,
    };
    match spec.task {
        Task::Auto => by_model.or(by_loss).unwrap_or(by_label),
        task => task,
    }
}

/// How much each class counts; empty where all count the same.
pub(crate) fn class_weights(
    weights: &ClassWeights,
    classes: &[String],
    targets: &[u32],
) -> Result<Vec<f32>, TrainingError> {
    match weights {
        ClassWeights::None => Ok(Vec::new()),
        ClassWeights::Balanced => {
            let mut counts = vec![0_u32; classes.len()];
            targets.iter().for_each(|class| counts[*class as usize] += 1);
            let even = targets.len() as f64 / classes.len() as f64;
            Ok(counts.iter().map(|count| (even / f64::from((*count).max(1))) as f32).collect())
        }
        ClassWeights::ByLabel(by_label) => {
            if let Some(unknown) = by_label.keys().find(|label| !classes.contains(label)) {
                let shown: Vec<&str> = classes.iter().take(12).map(String::as_str).collect();
                return Err(TrainingError::Mismatch(format!(
                    "training.class_weights names the class `{unknown}`, which the training rows do not have; they \
                     have {}",
                    shown.join(", ")
                )));
            }
            let weight = |class: &String| by_label.get(class).copied().unwrap_or(1.0) as f32;
            Ok(classes.iter().map(weight).collect())
        }
    }
}

#[cfg(test)]
mod tests;
