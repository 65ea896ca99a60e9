//! The plan of a run by gradients.

use std::num::NonZeroUsize;

use yard_spec::{Loss as SpecLoss, Optimizer, Schedule as SpecSchedule, TrainingSettings, TrainingSpec};

use crate::{
    Classes, EarlyStopping, Head, Limits, Loss, Plan, Rule, Schedule, Shape, TrainingError, label::LabelScale,
};

/// How a network is fitted.
pub(crate) fn run_plan(
    spec: &TrainingSpec,
    head: Head,
    class_weights: Vec<f32>,
    label: LabelScale,
    spec_digest: [u8; 32],
) -> Result<Plan, TrainingError> {
    let training = &spec.training;
    let limit = |limit: Option<f64>| limit.map(|limit| limit as f32);
    let stopping = training.early_stopping.as_ref();
    let deviation = f64::from(label.deviation());
    let loss = loss(training, head, class_weights, deviation)?;
    let loss_unit = match loss {
        Loss::MeanSquaredError | Loss::Huber { .. } => deviation * deviation,
        Loss::MeanAbsoluteError => deviation,
        Loss::BinaryCrossEntropy(_) | Loss::CategoricalCrossEntropy(_) => 1.0,
    };
    Ok(Plan {
        seed: spec.seed,
        epochs: training.epochs as u64,
        batch_size: NonZeroUsize::new(training.batch_size).unwrap_or(NonZeroUsize::MIN),
        whole_epochs: matches!(training.optimizer, Optimizer::GradientDescent(_)),
        loss,
        loss_unit,
        rule: rule(&training.optimizer),
        limits: Limits {
            weight_decay: training.weight_decay as f32,
            clip_value: limit(training.clip_value),
            clip_norm: limit(training.clip_norm),
            clip_weights: limit(training.clip_weights),
        },
        learning_rate: training.optimizer.learning_rate(),
        schedule: schedule(&training.schedule),
        early_stopping: stopping
            .map(|keys| EarlyStopping { patience: keys.patience as u64, min_delta: keys.min_delta }),
        checkpoint_every: training.checkpoint_every as u64,
        spec_digest,
    })
}

/// The loss of targets that are divided by `deviation`.
fn loss(
    training: &TrainingSettings,
    head: Head,
    weights: Vec<f32>,
    deviation: f64,
) -> Result<Loss, TrainingError> {
    let classes = || Classes { label_smoothing: training.label_smoothing as f32, weights };
    Ok(match (training.loss, head) {
        (SpecLoss::Auto | SpecLoss::Mse, Head::Numbers) => Loss::MeanSquaredError,
        (SpecLoss::Mae, Head::Numbers) => Loss::MeanAbsoluteError,
        (SpecLoss::Huber, Head::Numbers) => Loss::Huber { delta: (training.huber_delta / deviation) as f32 },
        (SpecLoss::Auto | SpecLoss::BinaryCrossEntropy, Head::Sigmoid) => Loss::BinaryCrossEntropy(classes()),
        (SpecLoss::Auto | SpecLoss::CategoricalCrossEntropy, Head::Softmax) => {
            Loss::CategoricalCrossEntropy(classes())
        }
        (loss, head) => {
            let gives = match head {
                Head::Numbers => "a number",
                Head::Sigmoid => "one value for two classes",
                Head::Softmax => "one value for each class",
            };
            return Err(TrainingError::Mismatch(format!(
                "training.loss = \"{loss}\" does not fit a model that gives {gives}: choose \"auto\""
            )));
        }
    })
}

fn rule(optimizer: &Optimizer) -> Rule {
    let adam = |keys: &yard_spec::AdamOptimizer, decoupled: bool| Rule::Adam {
        beta1: keys.beta_1,
        beta2: keys.beta_2,
        epsilon: keys.epsilon,
        decoupled,
    };
    match optimizer {
        Optimizer::GradientDescent(_) | Optimizer::Sgd(_) => Rule::Descent,
        Optimizer::Momentum(keys) => Rule::Momentum { momentum: keys.momentum, nesterov: false },
        Optimizer::Nesterov(keys) => Rule::Momentum { momentum: keys.momentum, nesterov: true },
        Optimizer::Rmsprop(keys) => Rule::RmsProp { decay: keys.decay, epsilon: keys.epsilon },
        Optimizer::Adam(keys) => adam(keys, false),
        Optimizer::Adamw(keys) => adam(keys, true),
    }
}

fn schedule(schedule: &SpecSchedule) -> Schedule {
    let shape = match schedule {
        SpecSchedule::Constant(_) => Shape::Constant,
        SpecSchedule::Step(keys) => Shape::Step { every: keys.every as u64, factor: keys.factor },
        SpecSchedule::Exponential(keys) => Shape::Step { every: 1, factor: keys.factor },
        SpecSchedule::Cosine(keys) => Shape::Cosine { floor: keys.final_share },
    };
    Schedule { warmup_steps: schedule.warmup_steps() as u64, shape }
}
