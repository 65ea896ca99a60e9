//! What models cost in memory.

use std::{fs, sync::Arc, thread};

use super::{Broken, Faults, Subject, models::run, samples};

/// How often a model is loaded and dropped.
const ROUNDS: u64 = 50;
/// Rounds after which an allocator has what it keeps.
const WARM_UP_ROUNDS: u64 = 10;
/// Threads that share a model.
const THREADS: usize = 4;

/// A model that is loaded, run and dropped many times leaves nothing behind: what the process grows by stays well under
/// what the models took one after the other. `resident_bytes` tells the resident memory of this process.
pub fn loading_and_dropping(subject: &Subject<'_>, resident_bytes: &dyn Fn() -> u64) -> Result<(), Broken> {
    let mut faults = Faults::new("loading and dropping");
    for name in ["mlp-100-128-10", "ppocr-cls"] {
        faults.check(name, stays_flat(subject, name, resident_bytes));
    }
    faults.verdict()
}

fn stays_flat(subject: &Subject<'_>, name: &str, resident_bytes: &dyn Fn() -> u64) -> Result<(), String> {
    let directory = subject.assets.join("models").join(name);
    let samples = samples::read(&directory.join("samples.json"))?;
    let file = fs::metadata(directory.join("model.onnx")).map_err(|error| error.to_string())?.len();
    let sample = samples.first().ok_or("no samples")?;
    let mut after_warm_up = 0;
    for round in 0..ROUNDS {
        let loaded = subject.load(name)?;
        run(loaded.as_ref(), &sample.inputs)?;
        drop(loaded);
        if round + 1 == WARM_UP_ROUNDS {
            after_warm_up = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(after_warm_up);
    // A leak of the weights alone would be the file's size each round; allocators waver by some megabytes.
    let allowed = (ROUNDS - WARM_UP_ROUNDS) * file / 8 + (8 << 20);
    if grown > allowed {
        return Err(format!("{ROUNDS} rounds grew the process by {grown} bytes, more than {allowed}"));
    }
    Ok(())
}

/// Threads that run one model share its weights: running it on several threads does not take another copy.
pub fn shared_weights(subject: &Subject<'_>, resident_bytes: &dyn Fn() -> u64) -> Result<(), Broken> {
    let mut faults = Faults::new("one copy of the weights");
    faults.check("minilm-int8", shares(subject, "minilm-int8", resident_bytes));
    faults.verdict()
}

fn shares(subject: &Subject<'_>, name: &str, resident_bytes: &dyn Fn() -> u64) -> Result<(), String> {
    let directory = subject.assets.join("models").join(name);
    let samples = samples::read(&directory.join("samples.json"))?;
    let file = fs::metadata(directory.join("model.onnx")).map_err(|error| error.to_string())?.len();
    let sample = samples.first().ok_or("no samples")?;
    let loaded = subject.load(name)?;
    run(loaded.as_ref(), &sample.inputs)?;
    let with_one = resident_bytes();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let loaded = Arc::clone(&loaded);
                scope.spawn(move || (0..4).try_for_each(|_| run(loaded.as_ref(), &sample.inputs).map(drop)))
            })
            .collect();
        let mut joined = workers.into_iter().map(|worker| worker.join());
        joined.try_for_each(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })?;
    let grown = resident_bytes().saturating_sub(with_one);
    // Working memory grows with the threads; copies of the weights would be three times the file.
    if grown > file * 3 / 2 {
        return Err(format!("{THREADS} threads grew the process by {grown} bytes; the model has {file}"));
    }
    Ok(())
}
