//! Task, model and loss together.

use super::network::check_network;
use crate::{
    error::SpecError,
    spec::{ClassWeights, Loss, ModelSpec, Task, TrainingSettings, TrainingSpec},
};

pub(super) fn check_fit(spec: &TrainingSpec) -> Result<(), SpecError> {
    let task = known_task(spec)?;
    check_loss_of_model(spec)?;
    if let ModelSpec::Network(network) = &spec.model {
        check_network(network, task, spec.training.loss)?;
    }
    if let ModelSpec::TextClassifier(model) = &spec.model
        && model.width % model.heads != 0
    {
        let problem = format!("{} is not a multiple of the {} heads", model.width, model.heads);
        return Err(SpecError::contradiction("model.width", problem));
    }
    check_loss_options(spec, task)
}

/// The task, as far as it is known before data is read.
pub(super) fn known_task(spec: &TrainingSpec) -> Result<Option<Task>, SpecError> {
    let by_key = match spec.task {
        Task::Auto => None,
        task => Some((task, "task".to_owned())),
    };
    let by_model = match &spec.model {
        ModelSpec::Linear => Some(Task::Regression),
        ModelSpec::Logistic | ModelSpec::TextClassifier(_) => Some(Task::Classification),
        ModelSpec::Network(_) | ModelSpec::DecisionTree(_) | ModelSpec::BoostedTrees(_) => None,
    };
    let by_loss = match spec.training.loss {
        Loss::Auto => None,
        Loss::Mse | Loss::Mae | Loss::Huber => Some(Task::Regression),
        Loss::BinaryCrossEntropy | Loss::CategoricalCrossEntropy => Some(Task::Classification),
    };
    let by_model = by_model.map(|task| (task, format!("the model '{}'", spec.model.kind())));
    let by_loss = by_loss.map(|task| (task, format!("the loss '{}'", spec.training.loss)));
    let mut known: Option<(Task, String)> = None;
    let sources = [("task", by_key), ("model.kind", by_model), ("training.loss", by_loss)];
    for (path, (task, reason)) in sources.into_iter().filter_map(|(path, source)| Some((path, source?))) {
        match &known {
            Some((other, other_reason)) if *other != task => {
                let problem =
                    format!("{reason} is for {task}, but {other_reason} says {other}: change one of the two");
                return Err(SpecError::contradiction(path, problem));
            }
            Some(_) => {}
            None => known = Some((task, reason)),
        }
    }
    Ok(known.map(|(task, _)| task))
}

fn check_loss_of_model(spec: &TrainingSpec) -> Result<(), SpecError> {
    let loss = spec.training.loss;
    let offered: &[Loss] = match &spec.model {
        ModelSpec::DecisionTree(_) | ModelSpec::BoostedTrees(_) => {
            &[Loss::Auto, Loss::Mse, Loss::BinaryCrossEntropy, Loss::CategoricalCrossEntropy]
        }
        ModelSpec::TextClassifier(_) => &[Loss::Auto, Loss::CategoricalCrossEntropy],
        ModelSpec::Linear | ModelSpec::Logistic | ModelSpec::Network(_) => return Ok(()),
    };
    if offered.contains(&loss) {
        return Ok(());
    }
    let offered: Vec<&str> = offered.iter().map(|loss| loss.as_str()).collect();
    let problem =
        format!("the model '{}' cannot make {loss} small: use {}", spec.model.kind(), offered.join(" or "));
    Err(SpecError::contradiction("training.loss", problem))
}

/// Keys that only mean something with one loss are refused with another, so that nobody believes them at work.
fn check_loss_options(spec: &TrainingSpec, task: Option<Task>) -> Result<(), SpecError> {
    let training = &spec.training;
    let refuse =
        |key: &str, problem: String| Err(SpecError::contradiction(&format!("training.{key}"), problem));
    let default_delta = TrainingSettings::default().huber_delta;
    if training.huber_delta != default_delta && training.loss != Loss::Huber {
        let problem = format!("belongs to the loss 'huber', but the loss is '{}': remove it", training.loss);
        return refuse("huber_delta", problem);
    }
    if training.label_smoothing > 0.0 {
        let regression = task == Some(Task::Regression);
        let other = !matches!(training.loss, Loss::Auto | Loss::CategoricalCrossEntropy);
        if regression || other {
            let loss = if training.loss == Loss::Auto { "mse" } else { training.loss.as_str() };
            let problem = format!(
                "belongs to the loss 'categorical_cross_entropy', but the loss is '{loss}': remove it"
            );
            return refuse("label_smoothing", problem);
        }
        if matches!(spec.model, ModelSpec::DecisionTree(_) | ModelSpec::BoostedTrees(_)) {
            return refuse("label_smoothing", "trees have none: remove it".to_owned());
        }
    }
    if training.class_weights != ClassWeights::None && task == Some(Task::Regression) {
        return refuse("class_weights", "regression has no classes: remove it".to_owned());
    }
    Ok(())
}
