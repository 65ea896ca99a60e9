//! Running a batch on the present thread, and telling its callers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use yard_engine::{PredictError, RunControl};
use yard_types::Tensor;

use crate::{Prediction, ServingError, Timings, queue::Pending, version::Version};

/// Why one request of a batch has no result.
#[derive(Debug)]
pub(crate) enum RunFailure {
    Predict(PredictError),
    Panicked,
}

/// The result of one request of a batch.
pub(crate) type RunResult = Result<Vec<Tensor>, RunFailure>;

/// What a batch came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// One for each request, in order.
    pub(crate) results: Vec<RunResult>,
    pub(crate) started: Instant,
    pub(crate) took: Duration,
}

/// Why rows that ran together cannot be told apart again.
#[derive(Debug, thiserror::Error)]
#[error("output {output} has shape {shape:?} for {rows} joined rows")]
struct Inseparable {
    output: usize,
    shape: Vec<usize>,
    rows: usize,
}

/// How a joined run went wrong.
enum JoinFailure {
    /// The rows do not fit together, or one of them fails the whole run: each is to run alone.
    RunSingly,
    /// The run was stopped, and no other should begin.
    Stopped,
    Inseparable(Inseparable),
}

/// Runs the requests, together where that is allowed, so that none of them can spoil the result of another.
pub(crate) fn run(version: &Version, requests: &[Vec<Tensor>], control: &RunControl) -> Outcome {
    let started = crate::clock::now();
    let results = match requests {
        [single] => vec![run_one(version, single, control)],
        _ => run_together(version, requests, control),
    };
    let ended = crate::clock::now();
    version.progressed(ended);
    Outcome { results, started, took: ended.saturating_duration_since(started) }
}

fn run_together(version: &Version, requests: &[Vec<Tensor>], control: &RunControl) -> Vec<RunResult> {
    if version.joins_rows() {
        match run_joined(version, requests, control) {
            Ok(results) => return results.into_iter().map(Ok).collect(),
            Err(JoinFailure::Stopped) => {
                let stopped = |_| Err(RunFailure::Predict(PredictError::Terminated));
                return requests.iter().map(stopped).collect();
            }
            Err(JoinFailure::Inseparable(why)) => version.stop_joining(&why.to_string()),
            Err(JoinFailure::RunSingly) => {}
        }
    }
    requests.iter().map(|inputs| run_one(version, inputs, control)).collect()
}

fn run_one(version: &Version, inputs: &[Tensor], control: &RunControl) -> RunResult {
    if control.is_terminated() {
        return Err(RunFailure::Predict(PredictError::Terminated));
    }
    match catch_unwind(AssertUnwindSafe(|| version.model().predict(inputs, control))) {
        Ok(result) => {
            version.ran();
            result.map_err(RunFailure::Predict)
        }
        Err(_) => {
            version.panicked();
            Err(RunFailure::Panicked)
        }
    }
}

fn run_joined(
    version: &Version,
    requests: &[Vec<Tensor>],
    control: &RunControl,
) -> Result<Vec<Vec<Tensor>>, JoinFailure> {
    let mut counts = Vec::with_capacity(requests.len());
    for request in requests {
        counts.push(request.first().and_then(Tensor::rows).ok_or(JoinFailure::RunSingly)?);
    }
    let mut joined = Vec::with_capacity(version.signature.inputs.len());
    for place in 0..version.signature.inputs.len() {
        let parts: Option<Vec<&Tensor>> = requests.iter().map(|inputs| inputs.get(place)).collect();
        let parts = parts.ok_or(JoinFailure::RunSingly)?;
        joined.push(Tensor::concat_rows(&parts).map_err(|_| JoinFailure::RunSingly)?);
    }
    let outputs = match run_one(version, &joined, control) {
        Ok(outputs) => outputs,
        Err(RunFailure::Predict(PredictError::Terminated)) => return Err(JoinFailure::Stopped),
        Err(_) => return Err(JoinFailure::RunSingly),
    };
    let mut results: Vec<Vec<Tensor>> = requests.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
    for (output, tensor) in outputs.iter().enumerate() {
        let pieces = tensor.split_rows(&counts).map_err(|_| {
            let shape = tensor.shape().to_vec();
            JoinFailure::Inseparable(Inseparable { output, shape, rows: counts.iter().sum() })
        })?;
        for (result, piece) in results.iter_mut().zip(pieces) {
            result.push(piece);
        }
    }
    Ok(results)
}

/// Tells the callers, and counts the run.
pub(crate) fn deliver(version: &Version, rows: usize, pending: Vec<Pending>, outcome: Outcome) {
    let Outcome { results, started, took } = outcome;
    version.metrics.ran(rows, took);
    for (pending, result) in pending.into_iter().zip(results) {
        let queue = started.saturating_duration_since(pending.arrived);
        version.metrics.waited(queue);
        let answer = match result {
            Ok(outputs) => {
                Ok(Prediction { outputs, timings: Timings { queue, compute: took }, batch_rows: rows })
            }
            Err(RunFailure::Panicked) => Err(ServingError::Panicked { version: version.reference.clone() }),
            Err(RunFailure::Predict(error)) => Err(ServingError::Predict(error)),
        };
        // A caller who left is not told.
        let _ = pending.reply.send(answer);
    }
}
