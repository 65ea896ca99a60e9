//! The training loop.

use burn::tensor::{Device, Tensor, TensorData};
use yard_data::draw;

use super::{Best, EpochRecord, Event, Plan, Rows, Run, State, Tally};
use crate::{
    checkpoint,
    error::TrainingError,
    loss::Targets,
    model::{Model, Pass, outputs},
    optimizer::Optimizer,
    parameters::{Leaves, Role, numbers},
};

/// Progress is reported about so often in a run, however long it is.
const REPORTS_OF_PROGRESS: u64 = 200;

/// A loss so many times that of the first step is a run that has left.
const TOO_FAR: f64 = 1e6;

/// How a run ended; the model holds the best parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Each epoch.
    pub history: Vec<EpochRecord>,
    /// The epoch whose parameters the model has: the best on validation rows, without them the last.
    pub best_epoch: u64,
    /// Steps made.
    pub steps: u64,
    /// Whether it ended before its last epoch because it got no better.
    pub ended_early: bool,
}

/// Trains a model, from its last checkpoint if there is one.
pub fn fit(
    model: &mut dyn Model,
    train: Rows<'_>,
    validation: Option<Rows<'_>>,
    plan: &Plan,
    run: &mut dyn Run,
) -> Result<Fitted, TrainingError> {
    check(model, train, plan)?;
    if let Some(rows) = validation {
        check(model, rows, plan)?;
    }
    let optimizer = Optimizer::new(plan.rule, plan.limits, model.parameters());
    let rows_per_step = if plan.whole_epochs { train.count() } else { plan.batch_size.get() };
    let steps_per_epoch = train.count().div_ceil(rows_per_step) as u64;
    let total = steps_per_epoch * plan.epochs;
    let state = State::default();
    let mut fit = Fit { model, train, validation, plan, optimizer, state, steps_per_epoch, total };

    let stored = run.last_checkpoint();
    if let Some((_, bytes)) = stored.map_err(|source| TrainingError::Storage { action: "read", source })? {
        fit.state = checkpoint::read(&bytes, &plan.spec_digest, fit.model, &mut fit.optimizer)?;
        run.report(Event::Log(format!("going on from step {} of {total}", fit.state.step)));
    }

    let mut order = Vec::new();
    while fit.state.step < total && !fit.state.ended {
        let epoch = fit.state.step / steps_per_epoch;
        if order.is_empty() {
            order = (0..train.count()).collect();
            draw(plan.seed, "shuffle", epoch).shuffle(&mut order);
        }
        if run.stopped() {
            fit.save(run)?;
            return Err(TrainingError::Stopped { step: fit.state.step });
        }
        let begin = (fit.state.step % steps_per_epoch) as usize * rows_per_step;
        let end = (begin + rows_per_step).min(order.len());
        fit.one_step(&order[begin..end], epoch + 1)?;
        if fit.state.step.is_multiple_of((total / REPORTS_OF_PROGRESS).max(1)) || fit.state.step == total {
            run.report(Event::Progress { phase: "training", step: fit.state.step, of: total });
        }
        if fit.state.step.is_multiple_of(steps_per_epoch) {
            order.clear();
            fit.end_epoch(epoch + 1, run)?;
            if plan.checkpoint_every > 0 && (epoch + 1).is_multiple_of(plan.checkpoint_every) {
                fit.save(run)?;
            }
        }
    }
    Ok(fit.finish())
}

struct Fit<'a> {
    model: &'a mut dyn Model,
    train: Rows<'a>,
    validation: Option<Rows<'a>>,
    plan: &'a Plan,
    optimizer: Optimizer,
    state: State,
    steps_per_epoch: u64,
    total: u64,
}

impl Fit<'_> {
    fn one_step(&mut self, chosen: &[usize], epoch: u64) -> Result<(), TrainingError> {
        let mut sum = Slopes::default();
        // Each batch draws for itself, also where a step has several.
        let first = self.state.step * chosen.len().div_ceil(self.plan.batch_size.get()) as u64;
        for (batch, chosen) in (first..).zip(chosen.chunks(self.plan.batch_size.get())) {
            sum.add(self.differentiate(chosen, batch, epoch)?);
        }
        let factor = self.plan.schedule.factor(self.state.step, self.steps_per_epoch, self.total);
        let rate = self.plan.learning_rate * factor;
        self.optimizer.step(self.model.parameters_mut(), &mut sum.gradients, rate);
        self.state.step += 1;
        Ok(())
    }

    /// The gradient of the mean loss of some rows.
    fn differentiate(&mut self, chosen: &[usize], batch: u64, epoch: u64) -> Result<Slopes, TrainingError> {
        let gathered = Gathered::new(&self.train, chosen);
        let leaves = Leaves::trained(self.model.parameters());
        let pass = Pass::Train { seed: self.plan.seed, batch };
        let outcome = self.model.forward(&leaves, gathered.input, &pass);
        let width = self.model.outputs();
        let outputs = numbers(outcome.outputs.clone().inner());
        let targets = gathered.targets.borrowed();
        let judged = self.plan.loss.judge(&outputs, width, targets);
        self.check_loss(judged.value, epoch)?;
        self.state.tally.add_loss(judged.value * self.plan.loss_unit, judged.weight);
        self.state.tally.add_rows(&outputs, width, targets);

        // The loss gave its own gradient; burn goes on from there through the layers.
        let slope = TensorData::new(judged.gradient, [chosen.len(), width]);
        let slope = Tensor::<2>::from_data(slope, &Device::flex());
        let mut gradients = (outcome.outputs * slope).sum().backward();
        let gradients = leaves.gradients(&mut gradients);
        for (index, values) in outcome.statistics {
            self.model.parameters_mut()[index].values = values;
        }
        Ok(Slopes { gradients, weight: judged.weight })
    }

    fn check_loss(&mut self, loss: f64, epoch: u64) -> Result<(), TrainingError> {
        let first = *self.state.first_loss.get_or_insert(loss);
        if loss.is_finite() && loss <= TOO_FAR * first.max(1.0) {
            return Ok(());
        }
        let (loss, first) = (loss * self.plan.loss_unit, first * self.plan.loss_unit);
        Err(self.diverged(epoch, format!("the loss became {loss:e} after {first:e} at the first step")))
    }

    fn diverged(&self, epoch: u64, what: String) -> TrainingError {
        let learning_rate = self.plan.learning_rate;
        TrainingError::Diverged { step: self.state.step, epoch, what, learning_rate }
    }

    fn end_epoch(&mut self, epoch: u64, run: &mut dyn Run) -> Result<(), TrainingError> {
        let broken = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        if let Some(parameter) = self.model.parameters().iter().find(|parameter| broken(&parameter.values)) {
            let what = format!("{} holds a number that is not finite", parameter.name);
            return Err(self.diverged(epoch, what));
        }
        let is_of_classes = self.plan.loss.is_of_classes();
        let tally = std::mem::take(&mut self.state.tally);
        let on_validation = self.validation.map(|rows| self.judge(rows));
        let record = EpochRecord {
            epoch,
            train_loss: tally.mean_loss(),
            train_score: tally.score(is_of_classes),
            validation_loss: on_validation.map(|tally| tally.mean_loss()),
            validation_score: on_validation.map(|tally| tally.score(is_of_classes)),
        };
        report(&record, is_of_classes, run);
        self.state.history.push(record);
        self.note_best(&record);
        Ok(())
    }

    /// Keeps the best parameters, and ends the run when they are old.
    fn note_best(&mut self, record: &EpochRecord) {
        // Without validation rows and without early stopping the last epoch is the model; nothing to remember.
        if record.validation_loss.is_none() && self.plan.early_stopping.is_none() {
            return;
        }
        let loss = record.validation_loss.unwrap_or(record.train_loss);
        let min_delta = self.plan.early_stopping.map_or(0.0, |stopping| stopping.min_delta);
        let best_loss = self.state.best.as_ref().map(|best| best.loss);
        if best_loss.is_none_or(|best| loss < best - min_delta) {
            let parameters = self.model.parameters().iter().map(|parameter| parameter.values.clone());
            self.state.best = Some(Best { epoch: record.epoch, loss, parameters: parameters.collect() });
        }
        if let (Some(stopping), Some(best)) = (self.plan.early_stopping, &self.state.best) {
            self.state.ended = record.epoch - best.epoch >= stopping.patience.max(1);
        }
    }

    fn judge(&self, rows: Rows<'_>) -> Tally {
        let width = self.model.outputs();
        let outputs = outputs(&*self.model, rows.values, rows.row_length);
        let judged = self.plan.loss.judge(&outputs, width, rows.targets);
        let mut tally = Tally::default();
        tally.add_loss(judged.value * self.plan.loss_unit, judged.weight);
        tally.add_rows(&outputs, width, rows.targets);
        tally
    }

    fn save(&self, run: &mut dyn Run) -> Result<(), TrainingError> {
        let bytes = checkpoint::write(&self.plan.spec_digest, self.model, &self.optimizer, &self.state);
        run.save_checkpoint(self.state.step, &bytes)
            .map_err(|source| TrainingError::Storage { action: "save", source })
    }

    fn finish(self) -> Fitted {
        let last_epoch = self.state.history.last().map_or(0, |record| record.epoch);
        let mut best_epoch = last_epoch;
        if let Some(best) = self.state.best {
            best_epoch = best.epoch;
            for (parameter, values) in self.model.parameters_mut().iter_mut().zip(best.parameters) {
                parameter.values = values;
            }
        }
        Fitted {
            best_epoch,
            steps: self.state.step,
            ended_early: last_epoch < self.plan.epochs,
            history: self.state.history,
        }
    }
}

fn report(record: &EpochRecord, is_of_classes: bool, run: &mut dyn Run) {
    let score = if is_of_classes { "accuracy" } else { "r2" };
    let mut metric = |split, name, value| {
        run.report(Event::Metric { split, name, step: record.epoch, value });
    };
    metric("train", "loss", record.train_loss);
    metric("train", score, record.train_score);
    if let (Some(loss), Some(value)) = (record.validation_loss, record.validation_score) {
        metric("validation", "loss", loss);
        metric("validation", score, value);
    }
}

/// Gradients of a mean over rows of some weight.
#[derive(Default)]
struct Slopes {
    gradients: Vec<Vec<f32>>,
    weight: f64,
}

impl Slopes {
    /// Becomes the gradient of the mean over both.
    fn add(&mut self, other: Self) {
        if self.gradients.is_empty() {
            *self = other;
            return;
        }
        let together = self.weight + other.weight;
        let (own, added) = ((self.weight / together) as f32, (other.weight / together) as f32);
        for (slope, other) in self.gradients.iter_mut().flatten().zip(other.gradients.iter().flatten()) {
            *slope = own * *slope + added * *other;
        }
        self.weight = together;
    }
}

/// The rows of a batch, beside each other.
struct Gathered {
    input: Tensor<2>,
    targets: GatheredTargets,
}

enum GatheredTargets {
    Numbers(Vec<f32>),
    Classes(Vec<u32>),
}

impl Gathered {
    fn new(rows: &Rows<'_>, chosen: &[usize]) -> Self {
        let length = rows.row_length;
        let mut values = Vec::with_capacity(chosen.len() * length);
        for row in chosen {
            values.extend_from_slice(&rows.values[row * length..(row + 1) * length]);
        }
        let targets = match rows.targets {
            Targets::Classes(classes) => {
                GatheredTargets::Classes(chosen.iter().map(|row| classes[*row]).collect())
            }
            Targets::Numbers(wanted) => {
                let width = wanted.len() / rows.count();
                let of_row = |row: &usize| wanted[row * width..(row + 1) * width].iter().copied();
                GatheredTargets::Numbers(chosen.iter().flat_map(of_row).collect())
            }
        };
        let data = TensorData::new(values, [chosen.len(), length]);
        Self { input: Tensor::from_data(data, &Device::flex().autodiff()), targets }
    }
}

impl GatheredTargets {
    fn borrowed(&self) -> Targets<'_> {
        match self {
            Self::Numbers(numbers) => Targets::Numbers(numbers),
            Self::Classes(classes) => Targets::Classes(classes),
        }
    }
}

/// Everything that the loop relies on, once, before the first step.
fn check(model: &dyn Model, rows: Rows<'_>, plan: &Plan) -> Result<(), TrainingError> {
    let mismatch = |message: String| Err(TrainingError::Mismatch(message));
    let (count, outputs) = (rows.count(), model.outputs());
    if count == 0 {
        return mismatch("there are no rows to learn from".to_owned());
    }
    if rows.row_length == 0 || rows.values.len() != count * rows.row_length {
        return mismatch(format!(
            "{} numbers are not {count} rows of {} numbers",
            rows.values.len(),
            rows.row_length
        ));
    }
    if let Some(place) = rows.values.iter().position(|value| !value.is_finite()) {
        return mismatch(format!(
            "row {} holds {} after preparation; networks need finite numbers",
            place / rows.row_length,
            rows.values[place]
        ));
    }
    match (rows.targets, plan.loss.is_of_classes()) {
        (Targets::Classes(classes), true) => {
            let most = if outputs == 1 { 2 } else { outputs as u32 };
            match classes.iter().find(|class| **class >= most) {
                Some(class) => {
                    mismatch(format!("class {class} is beyond the {most} that the model tells apart"))
                }
                None => Ok(()),
            }
        }
        (Targets::Numbers(wanted), false) if wanted.len() != count * outputs => {
            mismatch(format!("{} targets are not {count} rows of {outputs}", wanted.len()))
        }
        (Targets::Numbers(wanted), false) => match wanted.iter().find(|value| !value.is_finite()) {
            Some(value) => mismatch(format!("a target is {value}; networks need finite numbers")),
            None => Ok(()),
        },
        (_, true) => mismatch("a loss of classes needs targets that are classes".to_owned()),
        (_, false) => mismatch("a loss of numbers needs targets that are numbers".to_owned()),
    }?;
    if model.parameters().iter().all(|parameter| parameter.role == Role::Statistic) {
        return mismatch("the model has nothing to learn".to_owned());
    }
    Ok(())
}
