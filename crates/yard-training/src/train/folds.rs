//! Cross-validation: how much a figure owes to which rows were held out.

use std::{collections::BTreeMap, io};

use yard_data::{Split, SplitShares, folds};
use yard_features::{LabelEncoding, Targets};
use yard_spec::Task;

use super::{
    Portion,
    fit::{Job, fit_rows},
    measure_portion,
};
use crate::{Event, Run, TrainingError};

/// What the folds gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CrossValidation {
    /// How many folds.
    pub(crate) folds: usize,
    /// By figure, over the folds.
    pub(crate) figures: BTreeMap<&'static str, Spread>,
}

/// The same figure of several folds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    /// The sample's standard deviation.
    pub(crate) deviation: f64,
    pub(crate) values: Vec<f64>,
}

/// A run inside a run: it may be stopped, but keeps no checkpoints and tells nothing.
struct Inner<'a> {
    outer: &'a mut dyn Run,
}

impl Run for Inner<'_> {
    fn report(&mut self, _event: Event) {}

    fn stopped(&self) -> bool {
        self.outer.stopped()
    }

    fn save_checkpoint(&mut self, _step: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
}

/// Trains and measures each fold of the rows that are not held out; nothing where the specification asks for none.
pub(super) fn cross_validate(
    job: &Job<'_>,
    split: &Split,
    run: &mut dyn Run,
) -> Result<Option<CrossValidation>, TrainingError> {
    let count = job.spec.split.folds;
    if count < 2 {
        return Ok(None);
    }
    let mut rows = [split.train.as_slice(), &split.validation].concat();
    rows.sort_unstable();
    let classes = classes(job, &rows)?;
    let mut figures: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (number, fold) in folds(rows.len(), classes.as_deref(), count, job.spec.seed)?.into_iter().enumerate()
    {
        let held_out: Vec<usize> = fold.held_out.iter().map(|place| rows[*place]).collect();
        let (train, validation) = parts(job, &rows, &fold.train, classes.as_deref())?;
        let fitted = fit_rows(job, &train, &validation, &mut Inner { outer: run })?;
        let portion = Portion { name: "fold", data: job.data, rows: held_out };
        for (name, value) in measure_portion(&fitted, &portion)?.metrics {
            figures.entry(name).or_default().push(value);
        }
        let step = number as u64 + 1;
        run.report(Event::Progress { phase: "cross-validation", step, of: count as u64 });
    }
    let figures: BTreeMap<_, _> = figures.into_iter().map(|(name, values)| (name, spread(values))).collect();
    for (name, spread) in &figures {
        let Spread { mean, deviation, .. } = spread;
        run.report(Event::Log(format!("{count} folds: {name} {mean:.4} with deviation {deviation:.4}")));
    }
    Ok(Some(CrossValidation { folds: count, figures }))
}

/// A fold watches validation rows as the kept model does, in the same proportion.
fn parts(
    job: &Job<'_>,
    rows: &[usize],
    train: &[usize],
    classes: Option<&[u32]>,
) -> Result<(Vec<usize>, Vec<usize>), TrainingError> {
    let pick = |places: &[usize]| places.iter().map(|place| rows[train[*place]]).collect::<Vec<_>>();
    let keys = &job.spec.split;
    if keys.validation == 0.0 {
        return Ok((train.iter().map(|place| rows[*place]).collect(), Vec::new()));
    }
    let whole = keys.train + keys.validation;
    let shares = SplitShares { train: keys.train / whole, validation: keys.validation / whole, test: 0.0 };
    let classes: Option<Vec<u32>> =
        classes.map(|classes| train.iter().map(|place| classes[*place]).collect());
    let split = Split::draw(train.len(), classes.as_deref(), shares, job.spec.seed)?;
    Ok((pick(&split.train), pick(&split.validation)))
}

fn classes(job: &Job<'_>, rows: &[usize]) -> Result<Option<Vec<u32>>, TrainingError> {
    if job.task != Task::Classification || !job.spec.split.stratify {
        return Ok(None);
    }
    let label = &job.data.label;
    match LabelEncoding::classes(label, rows)?.encode(label, rows)? {
        Targets::Classes(classes) => Ok(Some(classes)),
        Targets::Numbers(_) => Ok(None),
    }
}

fn spread(values: Vec<f64>) -> Spread {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Spread { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt(), values }
}
