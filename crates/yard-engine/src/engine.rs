//! The two traits.

use std::{any::Any, fmt, num::NonZeroUsize, sync::Arc};

use yard_types::{Signature, Tensor};

use crate::{LoadError, ModelPackage, PredictError, RunControl};

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its short name, as settings and passports write it: `onnxruntime`, `rten`.
    pub name: &'static str,
    /// Its version, as it reports it.
    pub version: String,
}

/// How to load a model.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Threads that one run may use inside the engine. Default: 1, since many runs go side by side.
    pub threads_per_run: NonZeroUsize,
    /// Most bytes of initializers and external data. Default: 8 GiB.
    pub max_weight_bytes: u64,
}

/// Whether rows of several requests may be run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowJoining {
    /// As far as the graph shows, each row of the outputs depends on the same row of the inputs alone.
    Plausible,
    /// It may not, for this reason.
    Refused(String),
}

/// Turns packages into models that can be run.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Name and version.
    fn info(&self) -> EngineInfo;

    /// Loads a model. May take long and much memory; must not run anything that the package brings.
    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError>;
}

/// A model in memory. Threads share it: however many run it, its weights are there once.
pub trait LoadedModel: fmt::Debug + Send + Sync {
    /// What it takes and gives.
    fn signature(&self) -> &Signature;

    /// Whether its graph allows rows of several requests to be run together.
    fn row_joining(&self) -> RowJoining;

    /// Runs the model on inputs in the order of the signature, already checked against it, and gives its outputs in the
    /// order of the signature.
    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError>;

    /// What else it offers, for whoever knows its type: models that are not asked in tensors have something.
    fn service(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Gives back what dropping it would give back only some time later, such as the memory of a process of its own. Called
    /// once before it is dropped, when nobody uses it any more, on a thread that may block; it should come back within
    /// seconds. Whoever has no such thread may leave it out. Default: does nothing.
    fn unload(&self) {}
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { threads_per_run: NonZeroUsize::MIN, max_weight_bytes: 8 << 30 }
    }
}
