//! `[training]`: how the model is fitted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Optimizer, Schedule};
use crate::{
    error::{KeyPath, SpecError},
    keys::{ANY, Allowed, Field, NOT_NEGATIVE, POSITIVE, Section, allowed_between, found},
    nearest::nearest,
};

spec_table! {
    /// How the model is fitted. Trees take `loss`, `class_weights`, `threads`, `checkpoint_every` (in rounds) and
    /// `early_stopping` (in rounds) from here; the other keys are for what is fitted by gradients.
    pub struct TrainingSettings: Default {
        /// What is made small.
        loss: Loss = (Loss::Auto), "", ANY;
        /// Where the loss `huber` turns from square to straight.
        huber_delta: f64 = 1.0, "units of the label", POSITIVE;
        /// The part of each class's probability that is spread over all classes. Only with
        /// `categorical_cross_entropy`.
        label_smoothing: f64 = 0.0, "share", Allowed::Below(0.0, 1.0);
        /// How much each class counts: `"none"` for equally, `"balanced"` for inversely to its frequency, or a table of
        /// weights by label.
        class_weights: ClassWeights = (ClassWeights::None), "", POSITIVE;
        /// Passes over the training rows.
        epochs: usize = 10, "epochs", allowed_between(1.0, 1_000_000.0);
        /// Rows of one step.
        batch_size: usize = 32, "rows", allowed_between(1.0, 1_000_000.0);
        /// L2 penalty on weights, biases excepted; apart from the gradient with `adamw`.
        weight_decay: f64 = 0.0, "", NOT_NEGATIVE;
        /// Most size of one component of the gradient. Not set: no bound.
        clip_value: Option<f64> = none, "", POSITIVE;
        /// Most length of the whole gradient. Not set: no bound.
        clip_norm: Option<f64> = none, "", POSITIVE;
        /// Most size of a weight after each step. Not set: no bound.
        clip_weights: Option<f64> = none, "", POSITIVE;
        /// Threads of the run. The result does not depend on them.
        threads: usize = 1, "threads", allowed_between(1.0, 1024.0);
        /// How often a checkpoint is written, from which a stopped run goes on. In rounds for boosted trees.
        checkpoint_every: usize = 1, "epochs", allowed_between(1.0, 1_000_000.0);
        /// How the parameters follow their gradients.
        optimizer: Optimizer = (Optimizer::default()), "", ANY;
        /// How the learning rate changes over the run.
        schedule: Schedule = (Schedule::default()), "", ANY;
        /// Ends the run when it no longer gets better, and keeps the best state. Not set: all epochs are run.
        early_stopping: Option<EarlyStopping> = none, "", ANY;
    }
}

spec_table! {
    /// Ends the run when the loss on the validation rows no longer falls, and keeps the best state.
    pub struct EarlyStopping: Default {
        /// Epochs without a fall after which the run ends. In rounds for boosted trees.
        patience: usize = 5, "epochs", allowed_between(1.0, 1_000_000.0);
        /// What counts as a fall.
        min_delta: f64 = 0.0, "loss", NOT_NEGATIVE;
    }
}

spec_choice! {
    /// What is made small.
    pub enum Loss {
        /// `mse` for regression, cross-entropy for classification.
        Auto = "auto",
        /// Mean of squared differences.
        Mse = "mse",
        /// Mean of absolute differences.
        Mae = "mae",
        /// Squared for small differences, absolute for those beyond `huber_delta`.
        Huber = "huber",
        /// Cross-entropy of two classes; the network ends in one value.
        BinaryCrossEntropy = "binary_cross_entropy",
        /// Cross-entropy of any number of classes; the network ends in one value for each.
        CategoricalCrossEntropy = "categorical_cross_entropy",
    }
}

/// How much each class counts in the loss.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeights {
    /// All equally.
    None,
    /// Inversely to its frequency in the training rows.
    Balanced,
    /// By label. Labels that are not named count 1.
    ByLabel(BTreeMap<String, f64>),
}

// === impl Field for ClassWeights ===

impl Field for ClassWeights {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        const WORDS: [&str; 2] = ["none", "balanced"];
        match value {
            Value::String(word) if word == "none" => Ok(Self::None),
            Value::String(word) if word == "balanced" => Ok(Self::Balanced),
            Value::String(word) => Err(SpecError::UnknownValue {
                path: path.clone(),
                found: crate::error::quoted(word),
                nearest: nearest(word, WORDS),
                known: WORDS.iter().map(|word| (*word).to_owned()).collect(),
            }),
            Value::Object(_) => BTreeMap::read(value, path, allowed).map(Self::ByLabel),
            _ => Err(SpecError::WrongType {
                path: path.clone(),
                expected: "'none', 'balanced' or a table of weights by label".to_owned(),
                found: found(value),
            }),
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::None => Some(Value::from("none")),
            Self::Balanced => Some(Value::from("balanced")),
            Self::ByLabel(weights) => weights.write(),
        }
    }

    fn type_text() -> String {
        "word or table of numbers".to_owned()
    }

    fn sections(_path: &str, _sections: &mut Vec<Section>) {}
}
