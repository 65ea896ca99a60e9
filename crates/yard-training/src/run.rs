//! A run: steps over batches, what is told about them, and how one that was stopped goes on.
//!
//! Everything random is drawn from (seed, purpose, step), nothing depends on time or threads, and the checkpoint holds
//! all that a run remembers. So two runs give the same bytes, and a run that was stopped and resumed gives the bytes of
//! one that never was.

mod fit;
mod state;

use std::{io, num::NonZeroUsize};

pub use fit::{Fitted, fit};
pub use state::EpochRecord;
pub(crate) use state::{Best, State, Tally};

use crate::{
    loss::{Loss, Targets},
    optimizer::{Limits, Rule},
    schedule::Schedule,
};

/// What a run tells and asks of whoever started it.
pub trait Run {
    /// Something happened.
    fn report(&mut self, event: Event);

    /// Whether the run is to end early; asked at each step.
    fn stopped(&self) -> bool;

    /// Keeps a checkpoint; earlier ones are no longer needed.
    fn save_checkpoint(&mut self, step: u64, bytes: &[u8]) -> io::Result<()>;

    /// The checkpoint that was kept last, if there is one.
    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>>;
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// How far it is.
    Progress {
        /// What is being done: `training`, for example.
        phase: &'static str,
        /// Done so far.
        step: u64,
        /// Of so much in all.
        of: u64,
    },
    /// A measured number.
    Metric {
        /// On what: `train` or `validation`.
        split: &'static str,
        /// `loss`, `accuracy`, `r2`...
        name: &'static str,
        /// The epoch, counted from 1.
        step: u64,
        /// The number.
        value: f64,
    },
    /// Something worth saying.
    Log(String),
}

/// Rows and what they are to become.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Row by row.
    pub values: &'a [f32],
    /// How many numbers a row has.
    pub row_length: usize,
    /// The targets, row by row.
    pub targets: Targets<'a>,
}

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything random depends on it.
    pub seed: u64,
    /// How often each row is seen.
    pub epochs: u64,
    /// How many rows the model takes at once.
    pub batch_size: NonZeroUsize,
    /// Whether a step follows the gradient of all rows, added up over the batches of an epoch, instead of one batch.
    pub whole_epochs: bool,
    /// What is made small.
    pub loss: Loss,
    /// What a loss of 1 is to those who are told of it: targets may be in another unit than the label.
    pub loss_unit: f64,
    /// How.
    pub rule: Rule,
    /// Decay and clipping.
    pub limits: Limits,
    /// The full learning rate.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: Schedule,
    /// When to give up hope.
    pub early_stopping: Option<EarlyStopping>,
    /// After how many epochs a checkpoint is kept; 0: only when stopped.
    pub checkpoint_every: u64,
    /// The digest of the specification, so that no checkpoint is taken for one of another.
    pub spec_digest: [u8; 32],
}

/// Ends a run that gets no better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// So many epochs without a better loss are waited for.
    pub patience: u64,
    /// A loss is better when it is lower by more than this.
    pub min_delta: f64,
}

impl Rows<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self.targets {
            Targets::Classes(classes) => classes.len(),
            Targets::Numbers(_) => self.values.len() / self.row_length.max(1),
        }
    }
}

#[cfg(test)]
mod tests;
