//! Several runs at once, runs that are stopped, and runs on inputs that do not fit.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use yard_types::{Tensor, TensorData};

use super::{
    Broken, Faults, Subject,
    models::{equals, run},
    samples::Sample,
};
use crate::{LoadOptions, LoadedModel, PredictError, RunControl};

/// Threads that run one model at once.
const THREADS: usize = 4;
/// How often each of them does.
const ROUNDS: usize = 8;
/// A stopped run must end within this time, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Threads that share a model each get the answers that they would get alone.
pub fn concurrent_runs(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("runs at the same time");
    let models = subject.models_to_run().unwrap_or_else(|error| {
        faults.check("assets", Err(error));
        Vec::new()
    });
    for model in &models {
        let samples: Vec<&Sample> =
            model.samples.iter().filter(|sample| !subject.is_beyond(sample)).collect();
        if samples.is_empty() {
            continue;
        }
        let verdict = subject.load(&model.name).and_then(|loaded| {
            thread::scope(|scope| {
                let workers: Vec<_> = (0..THREADS)
                    .map(|worker| {
                        let (loaded, samples) = (Arc::clone(&loaded), &samples);
                        scope.spawn(move || {
                            for round in 0..ROUNDS {
                                // Each thread begins with another sample, so that different shapes meet.
                                let sample = samples[(worker + round) % samples.len()];
                                let outputs = run(loaded.as_ref(), &sample.inputs)?;
                                equals(loaded.as_ref(), &outputs, sample, subject.tolerance)?;
                            }
                            Ok(())
                        })
                    })
                    .collect();
                let mut joined = workers.into_iter().map(|worker| worker.join());
                joined.try_for_each(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            })
        });
        faults.check(&model.name, verdict);
    }
    faults.verdict()
}

/// A run whose control was terminated before does not begin. Where the engine can stop runs, a loop without end is
/// stopped, and the model still works afterwards.
pub fn stopping(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("stopping a run");
    faults.check("before it begins", stopped_before(subject));
    if subject.stops_runs {
        faults.check("while it runs", stopped_within(subject));
    }
    faults.verdict()
}

fn stopped_before(subject: &Subject<'_>) -> Result<(), String> {
    let loaded = subject.load("mlp-100-128-10")?;
    let inputs = made_up(loaded.as_ref())?;
    let control = RunControl::new();
    control.terminate();
    match loaded.predict(&inputs, &control) {
        Err(PredictError::Terminated) => {}
        other => return Err(format!("gave {other:?}")),
    }
    // What was stopped once must not stop the next.
    loaded.predict(&inputs, &RunControl::new()).map_err(|error| format!("the next run: {error}"))?;
    Ok(())
}

fn stopped_within(subject: &Subject<'_>) -> Result<(), String> {
    let package = subject.package("hostile", "endless-loop")?;
    let loaded = subject.engine.load(&package, &LoadOptions::default()).map_err(|error| error.to_string())?;
    let inputs = made_up(loaded.as_ref())?;
    for _ in 0..2 {
        let control = RunControl::new();
        let (begin, begun) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let worker = {
            let (loaded, inputs, control) = (Arc::clone(&loaded), inputs.clone(), control.clone());
            thread::spawn(move || {
                let _ = begin.send(());
                let result = loaded.predict(&inputs, &control);
                let _ = end.send(result);
            })
        };
        begun.recv().map_err(|_| "the thread did not start")?;
        // Give the loop time to be well under way; stopping must work whenever it comes.
        if let Ok(result) = ended.recv_timeout(Duration::from_millis(200)) {
            return Err(format!("ended by itself: {result:?}"));
        }
        let asked = Instant::now();
        control.terminate();
        match ended.recv_timeout(PATIENCE) {
            Ok(Err(PredictError::Terminated)) => {}
            Ok(other) => return Err(format!("gave {other:?}")),
            Err(_) => return Err(format!("did not stop within {PATIENCE:?}")),
        }
        if asked.elapsed() > PATIENCE {
            return Err("took too long to stop".to_owned());
        }
        worker.join().map_err(|_| "the thread panicked")?;
    }
    Ok(())
}

/// Inputs that do not fit the signature are errors, never panics or answers.
pub fn wrong_inputs(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("inputs that do not fit");
    let loaded = match subject.load("mlp-100-128-10") {
        Ok(loaded) => loaded,
        Err(error) => {
            faults.check("model", Err(error));
            return faults.verdict();
        }
    };
    let tensor = |shape: &[usize], data| Tensor::new(shape.to_vec(), data).map_err(|error| error.to_string());
    let cases = [
        ("no input", Ok(Vec::new())),
        ("two inputs", made_up(loaded.as_ref()).map(|inputs| [inputs.clone(), inputs].concat())),
        (
            "another element type",
            tensor(&[1, 100], TensorData::Fp64(vec![0.0; 100])).map(|tensor| vec![tensor]),
        ),
        ("another width", tensor(&[1, 99], TensorData::Fp32(vec![0.0; 99])).map(|tensor| vec![tensor])),
        ("another rank", tensor(&[100], TensorData::Fp32(vec![0.0; 100])).map(|tensor| vec![tensor])),
        ("a scalar", tensor(&[], TensorData::Fp32(vec![0.0])).map(|tensor| vec![tensor])),
        ("a rank of 70", tensor(&[1; 70], TensorData::Fp32(vec![0.0])).map(|tensor| vec![tensor])),
    ];
    for (what, inputs) in cases {
        let verdict = inputs.and_then(|inputs| match loaded.predict(&inputs, &RunControl::new()) {
            Ok(_) => Err("gave an answer".to_owned()),
            Err(PredictError::Terminated) => Err("was called stopped".to_owned()),
            Err(_) => Ok(()),
        });
        faults.check(what, verdict);
    }
    let after = made_up(loaded.as_ref()).and_then(|inputs| {
        loaded.predict(&inputs, &RunControl::new()).map(drop).map_err(|error| error.to_string())
    });
    faults.check("a good input after the bad ones", after);
    faults.verdict()
}

/// One row of made-up values.
fn made_up(loaded: &dyn LoadedModel) -> Result<Vec<Tensor>, String> {
    let specs = loaded.signature().inputs.iter();
    let inputs: Option<Vec<Tensor>> = specs.map(|spec| crate::proof::made_up(spec, 1, 1, 0)).collect();
    inputs.ok_or_else(|| "no input could be made up".to_owned())
}
