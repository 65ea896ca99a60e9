//! The proof that a model must pass before it becomes a version.
//!
//! [`prove`] loads a package in the first engine that takes it, runs it on made-up inputs or on the golden samples that
//! came with it, measures one run and the memory it takes, and finds out whether rows of several requests may be run
//! together. It does whatever the model does: loop, abort, eat memory. Call it in a process that may be lost.

pub(crate) mod compare;
mod joining;
mod warm_up;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use yard_types::{Coded, ErrorCode, ModelName, NamedTensor, Signature, SignatureMismatch, Tensor};

use crate::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RunControl,
};

pub use compare::Tolerance;
pub use joining::JoiningProof;
pub use warm_up::WarmUp;
#[cfg(feature = "contract-suite")]
pub(crate) use warm_up::made_up;

/// Runs that the median time is taken of, unless they take too long.
const TIMED_RUNS: usize = 31;
/// Time after which no further run is timed.
const TIMING_BUDGET: Duration = Duration::from_millis(500);

/// What to prove.
#[derive(Debug, Clone, Default)]
pub struct ProofRequest {
    /// The engine to try first, by name.
    pub preferred: Option<String>,
    /// How to load.
    pub load: LoadOptions,
    /// Inputs with the outputs that the model must give.
    pub golden: Vec<GoldenSample>,
}

/// Inputs and the outputs that belong to them.
#[derive(Debug, Clone)]
pub struct GoldenSample {
    /// Every input.
    pub inputs: Vec<NamedTensor>,
    /// Some or all outputs.
    pub outputs: Vec<NamedTensor>,
    /// How far an output may be off.
    pub tolerance: Tolerance,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The engine that took the model.
    pub engine: EngineInfo,
    /// What the model takes and gives.
    pub signature: Signature,
    /// Whether rows may be joined.
    pub joining: JoiningProof,
    /// The first run.
    pub warm_up: WarmUp,
    /// How many golden samples reproduced.
    pub golden_samples: usize,
    /// Median time of a run of one row (or of the first golden sample); `None` when nothing could be run.
    pub single_run: Option<Duration>,
    /// Growth of the process through loading and running, as the caller measures it.
    pub memory_bytes: u64,
}

/// Why a model is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// No engine takes it; the text gives the reason of each.
    #[error("{reasons}")]
    Refused {
        /// One sentence an engine.
        reasons: String,
        /// What kind of refusal it is: that of the preferred engine.
        code: ErrorCode,
    },
    /// The engine that is asked for is not here.
    #[error("engine '{name}' is not on this machine; there are: {available}")]
    NoSuchEngine {
        /// The engine asked for.
        name: String,
        /// Those there are.
        available: String,
    },
    /// A golden sample does not fit the model.
    #[error("golden sample {index} does not fit the model: {source}")]
    GoldenMismatch {
        /// Which, from 0.
        index: usize,
        /// Why.
        source: SignatureMismatch,
    },
    /// A golden sample gave something else.
    #[error("golden sample {index} does not reproduce: {reason}")]
    GoldenDiffers {
        /// Which, from 0.
        index: usize,
        /// What differs.
        reason: String,
    },
    /// The model fails when it is run.
    #[error("the model loads but cannot be run on {inputs}: {source}")]
    Fails {
        /// What it was run on.
        inputs: String,
        /// The failure.
        source: PredictError,
    },
}

impl Coded for ProofError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { code, .. } => *code,
            Self::NoSuchEngine { .. } => ErrorCode::Unavailable,
            Self::GoldenMismatch { .. } | Self::GoldenDiffers { .. } | Self::Fails { .. } => {
                ErrorCode::InvalidArgument
            }
        }
    }
}

/// Proves a package. `resident_bytes` tells the resident memory of this process.
pub fn prove(
    engines: &[Arc<dyn Engine>],
    model: &ModelName,
    package: &ModelPackage,
    request: &ProofRequest,
    resident_bytes: &dyn Fn() -> u64,
) -> Result<Proof, ProofError> {
    let before = resident_bytes();
    let (engine, loaded) = load(engines, package, request)?;
    let signature = loaded.signature().clone();
    let (warm_up, single) = if request.golden.is_empty() {
        warm_up::run(loaded.as_ref())?
    } else {
        let arranged = golden(model, loaded.as_ref(), &request.golden)?;
        let shapes = arranged.iter().map(|tensor| tensor.shape().to_vec()).collect();
        (WarmUp::Ran { shapes }, Some(arranged))
    };
    let joining = joining::prove(loaded.as_ref(), single.as_deref());
    let single_run = single.as_deref().and_then(|inputs| time(loaded.as_ref(), inputs));
    Ok(Proof {
        engine,
        signature,
        joining,
        warm_up,
        golden_samples: request.golden.len(),
        single_run,
        memory_bytes: resident_bytes().saturating_sub(before),
    })
}

/// Loads the model in the first engine that takes it, the preferred one first.
fn load(
    engines: &[Arc<dyn Engine>],
    package: &ModelPackage,
    request: &ProofRequest,
) -> Result<(EngineInfo, Arc<dyn LoadedModel>), ProofError> {
    let mut order: Vec<&Arc<dyn Engine>> = engines.iter().collect();
    if let Some(preferred) = &request.preferred {
        let Some(place) = order.iter().position(|engine| engine.info().name == preferred) else {
            let names: Vec<&str> = engines.iter().map(|engine| engine.info().name).collect();
            return Err(ProofError::NoSuchEngine { name: preferred.clone(), available: names.join(", ") });
        };
        order[..=place].rotate_right(1);
    }
    let mut refusals = Vec::new();
    for engine in order {
        match engine.load(package, &request.load) {
            Ok(loaded) => return Ok((engine.info(), loaded)),
            // What is wrong with the file itself is wrong for every engine.
            Err(
                error @ (LoadError::Malformed { .. }
                | LoadError::ForeignFile { .. }
                | LoadError::Companion { .. }
                | LoadError::TooLarge { .. }),
            ) => {
                return Err(ProofError::Refused { code: error.code(), reasons: error.to_string() });
            }
            Err(error) => refusals.push(error),
        }
    }
    Err(refused(&refusals, request.preferred.is_some()))
}

/// What to tell of the refusals of all engines, in the order in which they were asked.
///
/// In the usual order each engine takes what the ones after it take: its reason is the whole story, unless it is not even
/// here. Advice of a later one to use it would be no help.
fn refused(refusals: &[LoadError], order_was_chosen: bool) -> ProofError {
    let Some(first) = refusals.first() else {
        return ProofError::Refused {
            reasons: "there is no engine".to_owned(),
            code: ErrorCode::Unavailable,
        };
    };
    let all = order_was_chosen || matches!(first, LoadError::EngineMissing { .. });
    let told = if all { refusals } else { &refusals[..1] };
    let reasons: Vec<String> = told.iter().map(ToString::to_string).collect();
    ProofError::Refused { reasons: reasons.join("; "), code: first.code() }
}

/// Runs every golden sample; gives the arranged inputs of the first.
fn golden(
    model: &ModelName,
    loaded: &dyn LoadedModel,
    samples: &[GoldenSample],
) -> Result<Vec<Tensor>, ProofError> {
    let signature = loaded.signature();
    let mut first = None;
    for (index, sample) in samples.iter().enumerate() {
        let inputs = signature
            .arrange(model, sample.inputs.clone())
            .map_err(|source| ProofError::GoldenMismatch { index, source })?;
        let outputs = loaded
            .predict(&inputs, &RunControl::new())
            .map_err(|source| ProofError::Fails { inputs: format!("golden sample {index}"), source })?;
        for expected in &sample.outputs {
            let got = signature.output(&expected.name).and_then(|(place, _)| outputs.get(place));
            let Some(got) = got else {
                let reason = format!("the model has no output '{}'", expected.name);
                return Err(ProofError::GoldenDiffers { index, reason });
            };
            compare::within(&expected.tensor, got, sample.tolerance).map_err(|difference| {
                let reason = format!("output '{}': {difference}", expected.name);
                ProofError::GoldenDiffers { index, reason }
            })?;
        }
        first.get_or_insert(inputs);
    }
    Ok(first.unwrap_or_default())
}

/// The median time of a run; `None` when one fails.
fn time(loaded: &dyn LoadedModel, inputs: &[Tensor]) -> Option<Duration> {
    let control = RunControl::new();
    let began = Instant::now();
    let mut times = Vec::with_capacity(TIMED_RUNS);
    while times.len() < TIMED_RUNS && (times.is_empty() || began.elapsed() < TIMING_BUDGET) {
        let started = Instant::now();
        loaded.predict(inputs, &control).ok()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests;
