//! What can go wrong in training.

use thiserror::Error;
use yard_data::DataError;
use yard_features::FeatureError;
use yard_spec::SpecError;
use yard_trees::TreesError;
use yard_types::{Coded, ErrorCode};

use crate::checkpoint::CheckpointError;

/// Why a run gave no model.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// A layer cannot take what the one before it gives.
    #[error("layer {number} ({layer}) {problem}")]
    Layer {
        /// Counted from 1, as people count.
        number: usize,
        /// The kind of layer.
        layer: &'static str,
        /// What does not fit, and what would.
        problem: String,
    },
    /// Data, loss and model do not belong together.
    #[error("{0}")]
    Mismatch(String),
    /// Numbers grew beyond all bounds.
    #[error(
        "training diverged at step {step} (epoch {epoch}): {what}; try a learning rate below {learning_rate}, \
         clip_norm = 1.0, or standardized numbers"
    )]
    Diverged {
        /// The step, counted from 0.
        step: u64,
        /// Its epoch, counted from 1.
        epoch: u64,
        /// The loss, or what else ran away.
        what: String,
        /// The full learning rate of the run.
        learning_rate: f64,
    },
    /// The run was asked to stop; a checkpoint of this step was saved.
    #[error("stopped at step {step}")]
    Stopped {
        /// How many steps were made.
        step: u64,
    },
    /// A checkpoint could not be used.
    #[error("cannot go on from the checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint could not be kept or fetched: a full disk, for example.
    #[error("cannot {action} a checkpoint")]
    Storage {
        /// `save` or `read`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The data cannot be read or divided.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Columns cannot be prepared, or labels not be encoded.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The specification contradicts itself.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Trees cannot be trained.
    #[error(transparent)]
    Trees(#[from] TreesError),
    /// The engine that will serve the model does not run it.
    #[error("the exported model does not run in the engine that serves it")]
    NotServed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine that will serve the model says something else.
    #[error(
        "the exported model differs from the trained one: row {row} of the {split} rows gives {served} served and \
         {trained} trained as '{output}' at place {place}, which differ by more than {tolerance:e}"
    )]
    ServedDiffers {
        /// `train`, `validation` or `test`.
        split: &'static str,
        /// In the data, counted from 1.
        row: usize,
        /// The output's name.
        output: &'static str,
        /// Within the row's output, counted from 0.
        place: usize,
        /// What the engine gives.
        served: f32,
        /// What was trained.
        trained: f32,
        /// How far apart they may be.
        tolerance: f32,
    },
}

impl Coded for TrainingError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Layer { .. }
            | Self::Mismatch(_)
            | Self::Diverged { .. }
            | Self::Spec(_)
            | Self::Trees(_) => ErrorCode::InvalidArgument,
            Self::Stopped { .. } => ErrorCode::Cancelled,
            Self::Checkpoint(_) => ErrorCode::Conflict,
            Self::Data(error) => error.code(),
            Self::Features(error) => error.code(),
            Self::Storage { .. } | Self::NotServed(_) | Self::ServedDiffers { .. } => ErrorCode::Internal,
        }
    }
}
