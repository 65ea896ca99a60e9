//! Training of every kind of model: data and a specification in, the files of a version out.
//!
//! Networks are computed and differentiated by burn on the processor; losses, optimizers and schedules are closed forms
//! over plain numbers here. [`fit`] is the loop; it draws everything random from (seed, purpose, step) and remembers
//! everything in its checkpoints. This crate knows no server, no job and no place where anything is kept: what it needs
//! from outside is the trait [`Run`].

mod assemble;
mod checkpoint;
mod data;
mod emit;
mod error;
mod export;
mod label;
mod loss;
mod model;
mod network;
mod optimizer;
mod parameters;
#[cfg(test)]
mod reference_tests;
mod run;
mod schedule;
mod text;
mod train;

pub use checkpoint::CheckpointError;
pub use data::{TrainingData, source_of};
pub use emit::emit;
pub use error::TrainingError;
pub use loss::{Classes, Judged, Loss, Targets};
pub use model::{Head, Model, Outcome, Pass, outputs};
pub use network::{Activation, LayerPlan, Network, NetworkPlan, Window};
pub use optimizer::{Limits, Optimizer, Rule};
pub use parameters::{Leaves, Parameter, Role};
pub use run::{EarlyStopping, EpochRecord, Event, Fitted, Plan, Rows, Run, fit};
pub use schedule::{Schedule, Shape};
pub use text::{TextNetwork, TextPlan, TextPreparation, Tokenizer, TokenizerOptions, emit_text};
pub use train::{Metrics, Trained, TrainedFile, Verifier, train};
