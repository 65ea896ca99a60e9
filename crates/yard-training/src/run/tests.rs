use std::{cell::Cell, io};

use yard_data::draw;

use super::*;
use crate::{
    error::TrainingError,
    loss::Classes,
    model::{Head, Model, outputs},
    network::{Activation, LayerPlan, Network, NetworkPlan},
    schedule::Shape,
};

/// Keeps everything in memory; says stop at a step.
#[derive(Default)]
struct Memory {
    events: Vec<Event>,
    checkpoint: Option<(u64, Vec<u8>)>,
    asked: Cell<u64>,
    stop_after: Option<u64>,
    disk_is_full: bool,
    /// Dies before it can keep what a stop would keep: only checkpoints of whole epochs are there.
    is_killed: bool,
}

impl Run for Memory {
    fn report(&mut self, event: Event) {
        self.events.push(event);
    }

    fn stopped(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.stop_after.is_some_and(|steps| self.asked.get() > steps)
    }

    fn save_checkpoint(&mut self, step: u64, bytes: &[u8]) -> io::Result<()> {
        if self.disk_is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if !self.is_killed || step.is_multiple_of(20) {
            self.checkpoint = Some((step, bytes.to_vec()));
        }
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(self.checkpoint.clone())
    }
}

/// Points in three clouds.
struct Clouds {
    values: Vec<f32>,
    classes: Vec<u32>,
}

fn clouds(count: usize, step: u64) -> Clouds {
    let mut source = draw(1, "clouds", step);
    let (mut values, mut classes) = (Vec::new(), Vec::new());
    for row in 0..count {
        let class = row % 3;
        let centre = [[-2.0, 0.0], [2.0, 0.5], [0.0, 2.5]][class];
        values.extend(centre.map(|middle| (middle + 0.5 * source.normal()) as f32));
        classes.push(class as u32);
    }
    Clouds { values, classes }
}

impl Clouds {
    fn rows(&self) -> Rows<'_> {
        Rows { values: &self.values, row_length: 2, targets: Targets::Classes(&self.classes) }
    }
}

fn network() -> Network {
    let layers = vec![
        LayerPlan::Dense { units: 8, activation: Some(Activation::Relu) },
        LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 },
        LayerPlan::Dropout { rate: 0.2 },
        LayerPlan::Dense { units: 3, activation: None },
    ];
    Network::new(&NetworkPlan { input: vec![2], layers, head: Head::Softmax }, 7).unwrap()
}

fn plan() -> Plan {
    Plan {
        seed: 7,
        epochs: 6,
        batch_size: NonZeroUsize::new(16).unwrap(),
        whole_epochs: false,
        loss: Loss::CategoricalCrossEntropy(Classes { label_smoothing: 0.05, weights: vec![1.0, 2.0, 1.0] }),
        loss_unit: 1.0,
        rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false },
        limits: Limits { weight_decay: 1e-4, clip_norm: Some(1.0), ..Limits::default() },
        learning_rate: 0.05,
        schedule: Schedule { warmup_steps: 5, shape: Shape::Cosine { floor: 0.0 } },
        early_stopping: None,
        checkpoint_every: 2,
        spec_digest: [9; 32],
    }
}

fn train(plan: &Plan, run: &mut Memory) -> Result<(Network, Fitted), TrainingError> {
    let (data, validation) = (clouds(150, 0), clouds(60, 1));
    let mut model = network();
    let fitted = fit(&mut model, data.rows(), Some(validation.rows()), plan, run)?;
    Ok((model, fitted))
}

fn bits(model: &dyn Model) -> Vec<u32> {
    model.parameters().iter().flat_map(|parameter| &parameter.values).map(|value| value.to_bits()).collect()
}

#[test]
fn a_network_learns_to_tell_clouds_apart() {
    let mut run = Memory::default();
    let (model, fitted) = train(&plan(), &mut run).unwrap();
    let held_out = clouds(300, 2);
    let logits = outputs(&model, &held_out.values, 2);
    let mut tally = Tally::default();
    tally.add_rows(&logits, 3, held_out.rows().targets);
    assert!(tally.score(true) > 0.95, "{}", tally.score(true));
    assert_eq!(fitted.history.len(), 6);
    assert_eq!(fitted.steps, 60);
    let metrics = run.events.iter().filter(|event| matches!(event, Event::Metric { .. })).count();
    assert_eq!(metrics, 6 * 4);
    let last = Event::Progress { phase: "training", step: 60, of: 60 };
    assert!(run.events.contains(&last));
}

#[test]
fn two_runs_give_the_same_bytes_and_another_seed_gives_others() {
    let (first, first_fitted) = train(&plan(), &mut Memory::default()).unwrap();
    let (second, second_fitted) = train(&plan(), &mut Memory::default()).unwrap();
    assert_eq!(bits(&first), bits(&second));
    assert_eq!(first_fitted, second_fitted);
    let (other, _) = train(&Plan { seed: 8, ..plan() }, &mut Memory::default()).unwrap();
    assert_ne!(bits(&first), bits(&other));
}

#[test]
fn a_run_stopped_at_any_step_and_resumed_ends_in_the_same_bytes() {
    let (whole, whole_fitted) = train(&plan(), &mut Memory::default()).unwrap();
    for stop_after in [0, 1, 9, 10, 11, 37, 59] {
        let mut run = Memory { stop_after: Some(stop_after), ..Memory::default() };
        let stopped = train(&plan(), &mut run).unwrap_err();
        assert!(matches!(stopped, TrainingError::Stopped { step } if step == stop_after), "{stopped}");
        run.stop_after = None;
        let (resumed, fitted) = train(&plan(), &mut run).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "stopped after {stop_after}");
        assert_eq!(fitted, whole_fitted);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint_to_the_same_bytes() {
    let (whole, _) = train(&plan(), &mut Memory::default()).unwrap();
    // What a kill in the fifth epoch leaves: the checkpoint of the fourth.
    let mut run = Memory { stop_after: Some(45), is_killed: true, ..Memory::default() };
    train(&plan(), &mut run).unwrap_err();
    assert_eq!(run.checkpoint.as_ref().unwrap().0, 40);
    run.stop_after = None;
    let (resumed, _) = train(&plan(), &mut run).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn a_run_that_gets_no_better_ends_early_with_its_best_parameters() {
    let stopping = EarlyStopping { patience: 2, min_delta: 0.05 };
    let plan = Plan { epochs: 50, early_stopping: Some(stopping), ..plan() };
    let (model, fitted) = train(&plan, &mut Memory::default()).unwrap();
    assert!(fitted.ended_early && fitted.history.len() < 50);
    assert_eq!(fitted.history.len() as u64, fitted.best_epoch + 2);
    let validation = clouds(60, 1);
    let logits = outputs(&model, &validation.values, 2);
    let loss = plan.loss.judge(&logits, 3, validation.rows().targets).value;
    let best = fitted.history[fitted.best_epoch as usize - 1].validation_loss.unwrap();
    assert_eq!(loss.to_bits(), best.to_bits());
}

#[test]
fn divergence_says_where_and_what_to_try() {
    let values: Vec<f32> = (0..64).map(|row| row as f32).collect();
    let wanted: Vec<f32> = values.iter().map(|value| 3.0 * value).collect();
    let rows = Rows { values: &values, row_length: 1, targets: Targets::Numbers(&wanted) };
    let layers = vec![LayerPlan::Dense { units: 1, activation: None }];
    let mut model = Network::new(&NetworkPlan { input: vec![1], layers, head: Head::Numbers }, 0).unwrap();
    let plan = Plan {
        loss: Loss::MeanSquaredError,
        loss_unit: 1.0,
        rule: Rule::Descent,
        limits: Limits::default(),
        learning_rate: 10.0,
        schedule: Schedule::CONSTANT,
        whole_epochs: true,
        ..plan()
    };
    let error = fit(&mut model, rows, None, &plan, &mut Memory::default()).unwrap_err();
    let TrainingError::Diverged { step, epoch, .. } = &error else { panic!("{error}") };
    assert_eq!((*step, *epoch), (1, 2));
    let message = error.to_string();
    assert!(message.starts_with("training diverged at step 1 (epoch 2): the loss became "), "{message}");
    assert!(message.contains("try a learning rate below 10, clip_norm = 1.0"), "{message}");
}

#[test]
fn gradient_descent_finds_the_line() {
    let values: Vec<f32> = (0..50).map(|row| row as f32 / 25.0 - 1.0).collect();
    let wanted: Vec<f32> = values.iter().map(|value| 3.0 * value - 2.0).collect();
    let rows = Rows { values: &values, row_length: 1, targets: Targets::Numbers(&wanted) };
    let layers = vec![LayerPlan::Dense { units: 1, activation: None }];
    let mut model = Network::new(&NetworkPlan { input: vec![1], layers, head: Head::Numbers }, 0).unwrap();
    let plan = Plan {
        loss: Loss::MeanSquaredError,
        loss_unit: 1.0,
        rule: Rule::Descent,
        limits: Limits::default(),
        learning_rate: 0.2,
        schedule: Schedule::CONSTANT,
        whole_epochs: true,
        epochs: 200,
        ..plan()
    };
    let fitted = fit(&mut model, rows, None, &plan, &mut Memory::default()).unwrap();
    let [slope, offset] = [model.parameters()[0].values[0], model.parameters()[1].values[0]];
    assert!((slope - 3.0).abs() < 1e-4 && (offset + 2.0).abs() < 1e-4, "{slope} {offset}");
    assert!(fitted.history.last().unwrap().train_score > 0.999_999);
}

#[test]
fn the_gradient_of_all_rows_does_not_depend_on_how_many_are_taken_at_once() {
    let data = clouds(50, 0);
    let layers = vec![LayerPlan::Dense { units: 3, activation: None }];
    let weights_with = |batch_size: usize| {
        let plan = NetworkPlan { input: vec![2], layers: layers.clone(), head: Head::Softmax };
        let mut model = Network::new(&plan, 0).unwrap();
        let batch_size = NonZeroUsize::new(batch_size).unwrap();
        let plan = Plan { batch_size, whole_epochs: true, ..self::plan() };
        let fitted = fit(&mut model, data.rows(), None, &plan, &mut Memory::default()).unwrap();
        assert_eq!(fitted.steps, plan.epochs);
        model.parameters()[0].values.clone()
    };
    let (all, few) = (weights_with(50), weights_with(7));
    assert!(all.iter().zip(&few).all(|(one, other)| (one - other).abs() < 1e-5), "{all:?} {few:?}");
}

#[test]
fn data_that_cannot_be_learned_from_is_refused() {
    let check = |rows: Rows<'_>, expected: &str| {
        let error = fit(&mut network(), rows, None, &plan(), &mut Memory::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let of = |values, targets| Rows { values, row_length: 2, targets };
    check(of(&[], Targets::Classes(&[])), "there are no rows to learn from");
    check(of(&[1.0], Targets::Classes(&[0])), "1 numbers are not 1 rows of 2 numbers");
    check(
        of(&[1.0, 2.0, f32::NAN, 0.0], Targets::Classes(&[0, 1])),
        "row 1 holds NaN after preparation; networks need finite numbers",
    );
    check(of(&[1.0, 2.0], Targets::Classes(&[3])), "class 3 is beyond the 3 that the model tells apart");
    check(of(&[1.0, 2.0], Targets::Numbers(&[3.0])), "a loss of classes needs targets that are classes");
}

#[test]
fn a_checkpoint_that_cannot_be_kept_ends_the_run_with_its_reason() {
    let mut run = Memory { disk_is_full: true, ..Memory::default() };
    let error = train(&plan(), &mut run).err().unwrap();
    assert!(matches!(error, TrainingError::Storage { action: "save", .. }), "{error}");
}
