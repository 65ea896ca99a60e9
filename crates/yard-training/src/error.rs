//! What can go wrong in training.

use thiserror::Error;

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
}
