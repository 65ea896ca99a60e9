//! Losses, optimizers, schedules and clipping against what PyTorch gives, in runs of the real loop.

use std::{io, num::NonZeroUsize};

use serde::Deserialize;

use crate::{
    Classes, Event, Head, LayerPlan, Limits, Loss, Model, Network, NetworkPlan, Plan, Rows, Rule, Run,
    Schedule, Shape, Targets, fit,
};

/// What PyTorch gives, by `python/reference/losses_and_optimizers.py`.
const REFERENCE: &str = include_str!("../tests/reference/losses_and_optimizers.json");

#[derive(Deserialize)]
struct Reference {
    losses: Vec<OfLoss>,
    problem: Problem,
    runs: Vec<OfRun>,
}

#[derive(Deserialize)]
struct OfLoss {
    loss: String,
    width: usize,
    outputs: Vec<f32>,
    wanted: Vec<f32>,
    delta: Option<f32>,
    #[serde(default)]
    weights: Vec<f32>,
    #[serde(default)]
    smoothing: f32,
    value: f64,
    slope: Vec<f64>,
}

#[derive(Deserialize)]
struct Problem {
    rows: Vec<f32>,
    classes: Vec<u32>,
    weight: Vec<f32>,
    offset: Vec<f32>,
    steps_per_epoch: u64,
}

#[derive(Deserialize)]
struct OfRun {
    name: String,
    rate: f64,
    rule: OfRule,
    schedule: OfSchedule,
    limits: OfLimits,
    /// The learning rate of each step.
    rates: Vec<f64>,
    /// The loss before each step.
    losses: Vec<f64>,
    /// Weights and offsets after four steps, and after all.
    weights: [Vec<f64>; 2],
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OfRule {
    Descent,
    Momentum { momentum: f64, nesterov: bool },
    RmsProp { decay: f64, epsilon: f64 },
    Adam { beta1: f64, beta2: f64, epsilon: f64, decoupled: bool },
}

#[derive(Deserialize)]
struct OfSchedule {
    kind: String,
    #[serde(default)]
    warmup: u64,
    every: Option<u64>,
    factor: Option<f64>,
    floor: Option<f64>,
}

#[derive(Deserialize)]
struct OfLimits {
    weight_decay: f32,
    clip_value: Option<f32>,
    clip_norm: Option<f32>,
    clip_weights: Option<f32>,
}

fn reference() -> Reference {
    serde_json::from_str(REFERENCE).unwrap()
}

#[track_caller]
fn check(what: &str, found: f64, expected: f64, tolerance: f64) {
    let distance = (found - expected).abs();
    assert!(
        distance <= tolerance * expected.abs().max(1.0),
        "{what}: {found} is not {expected}, by {distance:e}"
    );
}

#[test]
fn losses_and_their_slopes_are_those_of_pytorch() {
    let cases = reference().losses;
    assert!(cases.len() >= 16);
    for case in cases {
        let OfLoss { loss, width, outputs, wanted, delta, weights, smoothing, value, slope } = case;
        let classes: Vec<u32> = wanted.iter().map(|class| *class as u32).collect();
        let by_class = Classes { label_smoothing: smoothing, weights };
        let loss = match loss.as_str() {
            "mse" => Loss::MeanSquaredError,
            "mae" => Loss::MeanAbsoluteError,
            "huber" => Loss::Huber { delta: delta.unwrap() },
            "binary" => Loss::BinaryCrossEntropy(by_class),
            "categorical" => Loss::CategoricalCrossEntropy(by_class),
            other => panic!("{other}"),
        };
        let targets =
            if loss.is_of_classes() { Targets::Classes(&classes) } else { Targets::Numbers(&wanted) };
        let judged = loss.judge(&outputs, width, targets);
        // Both are computed in 64 bits; slopes are then kept in 32.
        check(&format!("{loss:?}"), judged.value, value, 1e-12);
        assert_eq!(judged.gradient.len(), slope.len());
        for (place, (found, expected)) in judged.gradient.iter().zip(slope).enumerate() {
            check(&format!("{loss:?}, output {place}"), f64::from(*found), expected, 1e-7);
        }
    }
}

/// Remembers the losses.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Run for Losses {
    fn report(&mut self, event: Event) {
        if let Event::Metric { name: "loss", value, .. } = event {
            self.0.push(value);
        }
    }

    fn stopped(&self) -> bool {
        false
    }

    fn save_checkpoint(&mut self, _step: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
}

impl OfRun {
    fn rule(&self) -> Rule {
        match self.rule {
            OfRule::Descent => Rule::Descent,
            OfRule::Momentum { momentum, nesterov } => Rule::Momentum { momentum, nesterov },
            OfRule::RmsProp { decay, epsilon } => Rule::RmsProp { decay, epsilon },
            OfRule::Adam { beta1, beta2, epsilon, decoupled } => {
                Rule::Adam { beta1, beta2, epsilon, decoupled }
            }
        }
    }

    /// With so many epochs for one of the schedule.
    fn schedule(&self, stretched: u64) -> Schedule {
        let OfSchedule { kind, warmup, every, factor, floor } = &self.schedule;
        let shape = match kind.as_str() {
            "constant" => Shape::Constant,
            "step" => Shape::Step { every: stretched * every.unwrap(), factor: factor.unwrap() },
            "cosine" => Shape::Cosine { floor: floor.unwrap() },
            other => panic!("{other}"),
        };
        Schedule { warmup_steps: *warmup, shape }
    }

    /// Weights and offsets after so many steps of the loop, every step over all rows, and the loss before each.
    fn follow(&self, problem: &Problem, steps: u64) -> (Vec<f32>, Vec<f64>) {
        let width = problem.offset.len();
        let inputs = problem.weight.len() / width;
        let layers = vec![LayerPlan::Dense { units: width, activation: None }];
        let plan = NetworkPlan { input: vec![inputs], layers, head: Head::Softmax };
        let mut network = Network::new(&plan, 0).unwrap();
        network.parameters_mut()[0].values.clone_from(&problem.weight);
        network.parameters_mut()[1].values.clone_from(&problem.offset);
        let OfLimits { weight_decay, clip_value, clip_norm, clip_weights } = self.limits;
        let plan = Plan {
            seed: 0,
            epochs: steps,
            batch_size: NonZeroUsize::new(problem.classes.len()).unwrap(),
            whole_epochs: true,
            loss: Loss::CategoricalCrossEntropy(Classes::default()),
            loss_unit: 1.0,
            rule: self.rule(),
            limits: Limits { weight_decay, clip_value, clip_norm, clip_weights },
            learning_rate: self.rate,
            // Here each step is an epoch.
            schedule: self.schedule(problem.steps_per_epoch),
            early_stopping: None,
            checkpoint_every: 0,
            spec_digest: [0; 32],
        };
        let rows =
            Rows { values: &problem.rows, row_length: inputs, targets: Targets::Classes(&problem.classes) };
        let mut losses = Losses::default();
        fit(&mut network, rows, None, &plan, &mut losses).unwrap();
        let values = network.parameters().iter().flat_map(|parameter| parameter.values.clone());
        (values.collect(), losses.0)
    }
}

#[test]
fn runs_step_as_pytorch_steps() {
    let Reference { problem, runs, .. } = reference();
    assert!(runs.len() >= 26);
    for run in runs {
        let all = run.losses.len() as u64;
        // A schedule that ends with the run would end after four steps: only whole runs have it.
        let few = (run.schedule.kind != "cosine").then_some((4, &run.weights[0]));
        for (steps, expected) in few.into_iter().chain([(all, &run.weights[1])]) {
            let (weights, losses) = run.follow(&problem, steps);
            for (step, (found, expected)) in losses.iter().zip(&run.losses).enumerate() {
                check(&format!("{}, loss before step {step}", run.name), *found, *expected, 1e-6);
            }
            assert_eq!(weights.len(), expected.len());
            for (place, (found, expected)) in weights.iter().zip(expected).enumerate() {
                let what = format!("{}, weight {place} after {steps} steps", run.name);
                check(&what, f64::from(*found), *expected, 1e-6);
            }
        }
    }
}

#[test]
fn schedules_go_the_course_of_pytorch() {
    let Reference { problem, runs, .. } = reference();
    for run in runs {
        let total = run.rates.len() as u64;
        for (step, expected) in run.rates.iter().enumerate() {
            let factor = run.schedule(1).factor(step as u64, problem.steps_per_epoch, total);
            check(&format!("{}, rate of step {step}", run.name), run.rate * factor, *expected, 1e-12);
        }
    }
}
