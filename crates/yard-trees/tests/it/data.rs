//! Data sets, and how well they are predicted.

use std::{fs, ops::ControlFlow, path::PathBuf};

use yard_trees::{
    BoostedTreesOptions, Forest, ForestOutput, Outcome, Targets, TrainingRun, TrainingSet, TreeMatrix, train,
};

/// Rows with a target each; classes are whole numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) columns: usize,
    pub(crate) features: Vec<f32>,
    pub(crate) numbers: Vec<f32>,
    pub(crate) codes: Vec<u32>,
    /// None for regression.
    pub(crate) classes: usize,
}

impl Rows {
    /// A set that `tests/reference/make.py` wrote.
    pub(crate) fn of_set(name: &str) -> Self {
        let mut rows = Self::default();
        for line in reference_file(&format!("{name}.csv")).lines() {
            let (features, target) = line.rsplit_once(',').unwrap();
            let target = target.parse().unwrap();
            let values: Vec<f32> = match name {
                // A letter for each shade.
                "digits" => features.chars().map(|shade| shade.to_digit(17).unwrap() as f32).collect(),
                _ => features.split(',').map(|value| value.parse().unwrap()).collect(),
            };
            rows.columns = values.len();
            rows.features.extend(values);
            rows.numbers.push(target);
        }
        if name != "diabetes" {
            rows.codes = rows.numbers.iter().map(|number| *number as u32).collect();
            rows.classes = *rows.codes.iter().max().unwrap() as usize + 1;
        }
        rows
    }

    /// Rows of small whole numbers, so that values tie, a tenth of them missing; the target depends on them.
    pub(crate) fn made_up(rows: usize, columns: usize, classes: usize) -> Self {
        let mut state = 12345_u64;
        let mut next = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut made = Self { columns, classes, ..Self::default() };
        for _ in 0..rows {
            let mut sum = 0.0;
            for column in 0..columns {
                let value = next(12) as f32;
                let is_missing = next(10) == 0;
                sum += if is_missing { 3.0 } else { value } * (column % 3) as f32;
                made.features.push(if is_missing { f32::NAN } else { value });
            }
            let noise = next(5) as f32;
            made.numbers.push(sum + noise);
            made.codes.push(((sum + noise) / 7.0) as u32 % classes.max(1) as u32);
        }
        made
    }

    pub(crate) fn with_missing(mut self) -> Self {
        for (place, value) in self.features.iter_mut().enumerate() {
            let (row, column) = (place / self.columns, place % self.columns);
            if (row * 7 + column * 13) % 10 == 0 {
                *value = f32::NAN;
            }
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn training_set(&self) -> TrainingSet<'_> {
        let matrix = TreeMatrix::new(self.len(), self.columns, &self.features).unwrap();
        let targets = match self.classes {
            0 => Targets::Numbers(&self.numbers),
            classes => Targets::Classes { codes: &self.codes, classes },
        };
        TrainingSet::new(matrix, targets).unwrap()
    }

    /// The rows of some numbers.
    pub(crate) fn choose(&self, chosen: impl Fn(usize) -> bool) -> Self {
        let mut rows = Self { columns: self.columns, classes: self.classes, ..Self::default() };
        for row in (0..self.len()).filter(|row| chosen(*row)) {
            rows.features.extend(&self.features[row * self.columns..(row + 1) * self.columns]);
            rows.numbers.push(self.numbers[row]);
            rows.codes.extend(self.codes.get(row));
        }
        rows
    }

    /// R2 or accuracy.
    pub(crate) fn score(&self, predictions: &[f32]) -> f64 {
        if self.classes > 0 {
            let best = predictions.chunks(self.classes).map(|row| {
                (0..row.len())
                    .max_by(|one, other| row[*one].total_cmp(&row[*other]).then(other.cmp(one)))
                    .unwrap()
            });
            let right = best.zip(&self.codes).filter(|(best, code)| *best == **code as usize).count();
            return right as f64 / self.len() as f64;
        }
        let mean = self.numbers.iter().map(|number| f64::from(*number)).sum::<f64>() / self.len() as f64;
        let pairs = self.numbers.iter().zip(predictions);
        let error: f64 = pairs.map(|(number, guess)| f64::from(number - guess).powi(2)).sum();
        let spread: f64 = self.numbers.iter().map(|number| (f64::from(*number) - mean).powi(2)).sum();
        1.0 - error / spread
    }
}

pub(crate) fn reference_file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    fs::read_to_string(folder.join(name)).unwrap()
}

pub(crate) fn boosted(rows: &Rows, options: &BoostedTreesOptions) -> Forest {
    run(&TrainingRun::new(rows.training_set()), options).forest
}

pub(crate) fn run(run: &TrainingRun<'_>, options: &BoostedTreesOptions) -> Outcome {
    train(run, options, &mut |_| ControlFlow::Continue(())).unwrap()
}

pub(crate) fn width(forest: &Forest) -> usize {
    match forest.output() {
        ForestOutput::Number => 1,
        ForestOutput::Scores { classes } | ForestOutput::Shares { classes } => classes,
    }
}
