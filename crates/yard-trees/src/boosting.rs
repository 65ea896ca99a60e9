//! Gradient boosting.

use std::{num::NonZeroUsize, ops::ControlFlow};

use crate::{
    BoostedTreesOptions, EarlyStopping, Forest, TrainingSet, TreesError,
    bins::BinnedMatrix,
    draw::{Draw, part},
    fingerprint::fingerprint,
    grid::Grid,
    grow::Grower,
    loss::Objective,
};

/// What is trained on, and from where.
#[derive(Debug, Clone)]
pub struct TrainingRun<'a> {
    /// The rows to learn from.
    pub training: TrainingSet<'a>,
    /// Rows to judge by after each round; early stopping needs them.
    pub validation: Option<TrainingSet<'a>>,
    /// A forest that [`TreeProgress`] showed in a run over the same rows with the same options; the number of rounds
    /// and early stopping may differ. Training goes on behind its last round and ends in the same bytes as if it had
    /// never stopped.
    pub checkpoint: Option<Forest>,
    /// How many threads may work; the result does not depend on it.
    pub threads: NonZeroUsize,
}

/// Where training stands after a round.
#[derive(Debug)]
pub struct TreeProgress<'a> {
    /// The round, from 1.
    pub round: usize,
    /// How many rounds there are at most.
    pub rounds: usize,
    /// The mean loss over the training rows.
    pub training_loss: f64,
    /// The mean loss over the validation rows.
    pub validation_loss: Option<f64>,
    /// The forest so far: a checkpoint.
    pub forest: &'a Forest,
}

/// Trained trees, and why there are no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The trees.
    pub forest: Forest,
    /// Why training ended.
    pub ended: Ended,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did all rounds.
    AllRounds,
    /// The loss on the validation set no longer fell.
    Early,
    /// No split gains anything any more.
    NothingToSplit,
    /// It was told to; the forest is a checkpoint.
    Stopped,
}

impl<'a> TrainingRun<'a> {
    /// A run from the start with one thread and nothing to judge by.
    pub fn new(training: TrainingSet<'a>) -> Self {
        Self { training, validation: None, checkpoint: None, threads: NonZeroUsize::MIN }
    }
}

/// Trains boosted trees: regression for numbers, else classification.
///
/// `progress` is called after each round and may end training.
pub fn train(
    run: &TrainingRun<'_>,
    options: &BoostedTreesOptions,
    progress: &mut dyn FnMut(TreeProgress<'_>) -> ControlFlow<()>,
) -> Result<Outcome, TreesError> {
    check(run, options)?;
    let mut boosting = Boosting::begin(run, options)?;
    while boosting.forest.rounds() < options.rounds {
        if boosting.stopping.as_ref().is_some_and(StoppingState::is_over) {
            return Ok(boosting.end(Ended::Early));
        }
        if !boosting.add_round() {
            return Ok(boosting.end(Ended::NothingToSplit));
        }
        let validation_loss = boosting.judge();
        let seen = progress(TreeProgress {
            round: boosting.forest.rounds(),
            rounds: options.rounds,
            training_loss: boosting.objective.mean_loss(&boosting.sums),
            validation_loss,
            forest: &boosting.forest,
        });
        if seen.is_break() {
            return Ok(Outcome { forest: boosting.forest, ended: Ended::Stopped });
        }
    }
    let early = boosting.stopping.as_ref().is_some_and(StoppingState::is_over);
    Ok(boosting.end(if early { Ended::Early } else { Ended::AllRounds }))
}

fn check(run: &TrainingRun<'_>, options: &BoostedTreesOptions) -> Result<(), TreesError> {
    options.check()?;
    let training = &run.training;
    training.targets().check_variety()?;
    match &run.validation {
        None if options.early_stopping.is_some() => return Err(TreesError::NoValidation),
        None => {}
        Some(validation) => {
            check_columns(training.matrix().columns(), validation.matrix().columns())?;
            if !training.targets().are_like(&validation.targets()) {
                return Err(TreesError::OtherTargets);
            }
        }
    }
    Ok(())
}

fn check_columns(expected: usize, found: usize) -> Result<(), TreesError> {
    if expected == found { Ok(()) } else { Err(TreesError::OtherColumns { expected, found }) }
}

/// Training between two rounds.
struct Boosting<'a> {
    options: &'a BoostedTreesOptions,
    threads: usize,
    training: TrainingSet<'a>,
    objective: Objective<'a>,
    grid: Grid,
    matrix: BinnedMatrix,
    forest: Forest,
    /// The scores of all rows, without the base.
    sums: Vec<f32>,
    validation: Option<Validation<'a>>,
    stopping: Option<StoppingState>,
}

struct Validation<'a> {
    set: TrainingSet<'a>,
    objective: Objective<'a>,
    sums: Vec<f32>,
}

impl<'a> Boosting<'a> {
    fn begin(run: &TrainingRun<'a>, options: &'a BoostedTreesOptions) -> Result<Self, TreesError> {
        let training = run.training;
        let objective = Objective::new(training, options.loss);
        let fingerprint = fingerprint(&training, options);
        let validation = run.validation.map(|set| {
            let objective = objective.over(set);
            let sums = vec![0.0; set.matrix().rows() * objective.base().len()];
            Validation { set, objective, sums }
        });
        let matrix = training.matrix();
        let mut boosting = Self {
            options,
            threads: run.threads.get(),
            training,
            grid: objective.grid(),
            matrix: BinnedMatrix::new(&matrix, options.bins, options.seed),
            forest: Forest {
                columns: matrix.columns(),
                output: objective.output(),
                base: objective.base().to_vec(),
                trees: Vec::new(),
                fingerprint,
            },
            sums: vec![0.0; matrix.rows() * objective.base().len()],
            objective,
            validation,
            stopping: options.early_stopping.map(StoppingState::new),
        };
        if let Some(checkpoint) = &run.checkpoint {
            boosting.go_on_from(checkpoint)?;
        }
        Ok(boosting)
    }

    /// Takes over the rounds of a checkpoint and judges each again, as if they had just been trained.
    fn go_on_from(&mut self, checkpoint: &Forest) -> Result<(), TreesError> {
        if checkpoint.fingerprint != self.forest.fingerprint {
            return Err(TreesError::ForeignCheckpoint);
        }
        let rounds = checkpoint.rounds().min(self.options.rounds);
        for round in checkpoint.trees.chunks_exact(self.forest.output.trees_per_round()).take(rounds) {
            if self.stopping.as_ref().is_some_and(StoppingState::is_over) {
                break;
            }
            self.forest.trees.extend_from_slice(round);
            self.judge();
        }
        self.sums = self.forest.sums(&self.training.matrix());
        Ok(())
    }

    /// Adds a round of trees, unless no split gains anything nor ever will.
    fn add_round(&mut self) -> bool {
        let round = self.forest.rounds();
        let draw = |purpose, fraction, total: usize| {
            let total = total as u32;
            let draw = Draw::new(self.options.seed, purpose, round as u64);
            (fraction < 1.0).then(|| draw.choose(part(fraction, total), total))
        };
        let sampled_rows = draw("yard-trees rows", self.options.row_fraction, self.matrix.rows());
        let sampled_columns = draw("yard-trees columns", self.options.column_fraction, self.matrix.width());
        let is_whole = sampled_rows.is_none() && sampled_columns.is_none();
        let narrowed = sampled_columns.map(|columns| self.matrix.with_columns(&columns));
        let matrix = narrowed.as_ref().unwrap_or(&self.matrix);
        let grower = Grower::new(matrix, self.options, self.threads);

        let width = self.objective.base().len();
        let normalisers = self.objective.normalisers(&self.sums);
        let mut gradients = Vec::new();
        let mut trees = Vec::with_capacity(width);
        for score in 0..width {
            self.objective.gradients(&self.sums, score, &normalisers, &mut gradients);
            let mut rows = sampled_rows.clone().unwrap_or_else(|| (0..self.matrix.rows() as u32).collect());
            let mut leaf_value = |totals: &_, rows: &[u32]| {
                let value = self.objective.leaf_value(&grower.limits, &self.sums, totals, rows);
                self.grid.nearest(value * self.options.learning_rate)
            };
            let grown = grower.grow(&gradients, &mut rows, &mut leaf_value);
            if sampled_rows.is_some() {
                // Rows that were not drawn move as well.
                for (row, sums) in self.sums.chunks_exact_mut(width).enumerate() {
                    let leaf = grown.tree.leaf(self.training.matrix().row(row));
                    sums[score] += grown.tree.values[leaf as usize];
                }
            } else {
                for (value, range) in grown.tree.values.iter().zip(grown.leaf_rows) {
                    for row in &rows[range] {
                        self.sums[*row as usize * width + score] += value;
                    }
                }
            }
            trees.push(grown.tree);
        }
        let is_final = is_whole && !trees.iter().any(crate::forest::Tree::has_split);
        if is_final && round > 0 {
            return false;
        }
        self.forest.trees.extend(trees);
        true
    }

    /// Judges the last round.
    fn judge(&mut self) -> Option<f64> {
        let validation = self.validation.as_mut()?;
        let width = validation.objective.base().len();
        let trees = &self.forest.trees[self.forest.trees.len() - width..];
        for (row, sums) in validation.sums.chunks_exact_mut(width).enumerate() {
            let row = validation.set.matrix().row(row);
            for (sum, tree) in sums.iter_mut().zip(trees) {
                *sum += tree.values[tree.leaf(row) as usize];
            }
        }
        let loss = validation.objective.mean_loss(&validation.sums);
        if let Some(stopping) = &mut self.stopping {
            stopping.see(loss);
        }
        Some(loss)
    }

    fn end(mut self, ended: Ended) -> Outcome {
        if let Some(stopping) = &self.stopping {
            self.forest.truncate(stopping.best_round);
        }
        Outcome { forest: self.forest, ended }
    }
}

/// Which round was best so far.
struct StoppingState {
    rules: EarlyStopping,
    round: usize,
    best_round: usize,
    best_loss: f64,
}

impl StoppingState {
    fn new(rules: EarlyStopping) -> Self {
        Self { rules, round: 0, best_round: 0, best_loss: f64::INFINITY }
    }

    fn see(&mut self, loss: f64) {
        self.round += 1;
        if self.best_round == 0 || loss < self.best_loss - self.rules.min_delta {
            (self.best_round, self.best_loss) = (self.round, loss);
        }
    }

    fn is_over(&self) -> bool {
        self.round - self.best_round >= self.rules.patience
    }
}
