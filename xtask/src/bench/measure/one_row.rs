//! One row of a small model over JSON: what a server costs when the model costs next to nothing.

use std::rc::Rc;

use anyhow::Result;

use super::Bench;
use crate::bench::contestants::{self, Modelyard, SMALL, Served};
use crate::bench::figures::{Contestant, OneRow, Point, Sample};
use crate::bench::question::{self, Question, Sample as ModelSample};
use crate::bench::running;

/// Connections at which everybody is measured.
pub(in crate::bench) const CONNECTIONS: [usize; 3] = [1, 16, 64];
pub(super) const SMALL_MODEL: &str = "mlp-100-128-10";

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rows: Vec<OneRow>,
    pub(super) left_out: Vec<(Contestant, &'static str)>,
    /// Triton's version as it tells it.
    pub(super) triton: Option<String>,
}

pub(super) fn measure(bench: &Bench<'_>) -> Result<Outcome> {
    let sample = ModelSample::first_of(&bench.model_folder(SMALL_MODEL))?;
    let question = sample.json(bench.scratch.join("one-row.json"))?;
    let (contestants, left_out, triton) = start_all(bench)?;
    for served in &contestants {
        let question = match served.contestant {
            Contestant::BareAxum => bare_question(&question, &sample)?,
            _ => question.clone(),
        };
        bench.environment.tools.check(&served.door, &question)?;
    }

    let mut samples = vec![vec![Vec::new(); CONNECTIONS.len()]; contestants.len()];
    for round in 0..bench.plan.rounds {
        for (place, connections) in CONNECTIONS.into_iter().enumerate() {
            for (served, samples) in contestants.iter().zip(&mut samples) {
                let strength = bench.plan.strength(connections);
                let sample = bench.sample(&served.running, &served.door, &question, strength)?;
                bench.tell(round, served.contestant.label(), connections, sample.per_second);
                samples[place].push(sample);
            }
        }
    }

    running::show_warnings(&bench.scratch.join("one-row.log"));

    let mut rows = Vec::new();
    for (served, samples) in contestants.iter().zip(&samples) {
        let point = |(connections, samples): (usize, &Vec<Sample>)| Point {
            connections,
            sample: Sample::medians(samples),
        };
        rows.push(OneRow {
            contestant: served.contestant,
            points: CONNECTIONS.into_iter().zip(samples).map(point).collect(),
            memory: served.running.usage()?.memory,
        });
    }
    Ok(Outcome { rows, left_out, triton })
}

type Contestants = (Vec<Served>, Vec<(Contestant, &'static str)>, Option<String>);

fn start_all(bench: &Bench<'_>) -> Result<Contestants> {
    let model = bench.model(SMALL_MODEL);
    let modelyard = Modelyard::start(bench.environment, &bench.scratch.join("one-row"))?;
    modelyard.push(SMALL, &model)?;
    let door = modelyard.door(SMALL)?;
    let mut contestants = vec![
        Served { contestant: Contestant::Modelyard, running: Rc::new(modelyard.running), door },
        contestants::bare_axum(bench.environment, &bench.scratch)?,
    ];
    contestants.extend(contestants::fastapi(bench.environment, &model, &bench.scratch)?);
    let mut left_out = Vec::new();
    let mut version = None;
    match &bench.environment.triton {
        Ok(triton) => match contestants::triton(bench.environment, triton, &model, &bench.scratch) {
            Ok((served, told)) => {
                contestants.push(served);
                version = Some(told);
            }
            Err(error) => {
                eprintln!("Triton is not measured: {error:#}");
                left_out.push((Contestant::Triton, "its server does not start on this machine"));
            }
        },
        Err(error) => {
            eprintln!("Triton is not measured: {error}");
            left_out.push((Contestant::Triton, "its wheel cannot be installed on this machine"));
        }
    }
    Ok((contestants, left_out, version))
}

/// The bare handler has no model: it answers ten numbers made of the sum of the row, which shows that it has read it.
fn bare_question(question: &Question, sample: &ModelSample) -> Result<Question> {
    let row = question::numbers(&sample.inputs[0]["data"])?;
    Ok(question.expecting("probs", bare_answer(&row)))
}

fn bare_answer(row: &[f64]) -> Vec<f64> {
    let sum: f64 = row.iter().sum();
    (0..10_u8).map(|place| sum * 0.013 + f64::from(place) * 0.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_handler_is_expected_to_have_read_every_number() {
        let answer = bare_answer(&[100.0, -50.0]);
        assert_eq!(answer.len(), 10);
        assert!((answer[0] - 0.65).abs() < 1e-12 && (answer[9] - 1.55).abs() < 1e-12);
    }
}
