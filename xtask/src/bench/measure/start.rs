//! From starting the server to its first prediction, and what it needs while idle.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::json;

use super::Bench;
use crate::bench::contestants::Modelyard;
use crate::bench::figures::{Start, median};
use crate::bench::question::Question;
use crate::places;

const STARTS: usize = 5;
/// After which a server counts as idle.
const REST: Duration = Duration::from_secs(1);
const MODEL: &str = "digits";

pub(super) fn measure(bench: &Bench<'_>) -> Result<Start> {
    let data = bench.scratch.join("start");
    let first = Modelyard::start(bench.environment, &data)?;
    let model = bench.model(MODEL);
    first.push(MODEL, &model)?;
    let question = question(bench, &model)?;
    drop(first);

    let tools = &bench.environment.tools;
    let mut seconds = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let modelyard = Modelyard::start(bench.environment, &data)?;
        let answer = tools.ask(&modelyard.door(MODEL)?, Some(&question), 60)?;
        seconds.push(started.elapsed().as_secs_f64());
        question.judge(&answer)?;
    }
    let first_answer = Duration::from_secs_f64(median(seconds));
    eprintln!("start to first answer: {first_answer:?}");

    let modelyard = Modelyard::start(bench.environment, &data)?;
    std::thread::sleep(REST);
    let memory_before = modelyard.running.memory()?;
    tools.check(&modelyard.door(MODEL)?, &question)?;
    std::thread::sleep(REST);
    let memory_after = modelyard.running.memory()?;
    Ok(Start { first_answer, memory_before, memory_after })
}

/// A digit that the model has not seen, and what ONNX Runtime alone answers to it.
fn question(bench: &Bench<'_>, model: &Path) -> Result<Question> {
    let text = fs::read_to_string(places::checkout().join("data/digits/held_out.csv"))?;
    let row = text.lines().nth(1).context("there are no held-out rows")?;
    let pixels = pixels(row).context("a held-out row is not made of numbers")?;
    let inputs =
        json!([{ "name": "pixels", "datatype": "FP32", "shape": [1, pixels.len()], "data": pixels }]);
    bench.answered_by_reference(model, inputs)?.json(bench.scratch.join("digit.json"))
}

/// All but the label, which stands last.
fn pixels(row: &str) -> Option<Vec<f64>> {
    let (pixels, _label) = row.rsplit_once(',')?;
    pixels.split(',').map(|pixel| pixel.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_out_row_is_read_without_its_label() {
        assert_eq!(pixels("0,16,3,7"), Some(vec![0.0, 16.0, 3.0]));
        assert_eq!(pixels("0,ink,7"), None);
    }
}
