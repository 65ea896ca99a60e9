//! `[search]`: many specifications instead of one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    error::{KeyPath, SpecError},
    keys::{ANY, Allowed, Field, Section, Table, TableReader, allowed_between, found},
    spec::Task,
};

/// Of numbers taken from a range.
const DIGITS: usize = 6;

spec_table! {
    /// Many specifications instead of one: each trial is this one with other values at some keys.
    pub struct SearchSpec {
        /// How values are chosen.
        strategy: SearchStrategy = (SearchStrategy::Random), "", ANY;
        /// Most trials. A grid that has more points is refused.
        trials: usize = 20, "trials", allowed_between(1.0, 10_000.0);
        /// By what trials are compared, on the validation rows.
        metric: Metric = (Metric::Auto), "", ANY;
        /// For `successive_halving`: of how many trials one goes on to the next rung.
        keep_one_of: usize = 3, "trials", allowed_between(2.0, 100.0);
        /// For `successive_halving`: epochs (rounds of boosted trees) of the first rung; each next rung has
        /// `keep_one_of` times as many, the last what the specification says.
        first_rung: usize = 1, "epochs", allowed_between(1.0, 1_000_000.0);
        /// The keys to vary, by their path, as in `"training.optimizer.learning_rate"` or `"model.layers.0.units"`;
        /// each with a list of values or a range. `name`, `data`, `split` and `search` stay as they are, so that
        /// trials can be compared.
        keys: BTreeMap<String, Candidates> = required, "", ANY;
    }
}

spec_table! {
    /// A range of numbers, instead of a list of values. Numbers taken from it have at most six digits.
    pub struct CandidateRange {
        /// The smallest value.
        low: f64 = required, "as the key", ANY;
        /// The largest value.
        high: f64 = required, "as the key", ANY;
        /// How values are spread over the range.
        scale: RangeScale = (RangeScale::Linear), "", ANY;
        /// Whether only whole numbers are taken. Needed where the key is one.
        whole: bool = false, "", ANY;
        /// Values that a grid takes from the range, ends included.
        points: usize = 5, "values", allowed_between(2.0, 1000.0);
    }
}

spec_choice! {
    /// How values are chosen.
    pub enum SearchStrategy {
        /// Every combination.
        Grid = "grid",
        /// Each trial draws its values, from `seed`.
        Random = "random",
        /// Random trials start with few epochs; the best of them go on with more.
        SuccessiveHalving = "successive_halving",
    }
}

spec_choice! {
    /// By what trials are compared.
    pub enum Metric {
        /// `r2` for regression, `accuracy` for classification.
        Auto = "auto",
        /// Share of rows whose class is right; more is better.
        Accuracy = "accuracy",
        /// Mean over the classes of the harmonic mean of precision and recall; more is better.
        F1 = "f1",
        /// Mean of the negative logarithm of the right class's probability; less is better.
        LogLoss = "log_loss",
        /// Share of the variance that is explained; more is better.
        R2 = "r2",
        /// Root of the mean squared difference; less is better.
        Rmse = "rmse",
        /// Mean absolute difference; less is better.
        Mae = "mae",
    }
}

spec_choice! {
    /// How values are spread over a range.
    pub enum RangeScale {
        /// Evenly.
        Linear = "linear",
        /// Evenly in their logarithm; `low` is above 0.
        Log = "log",
    }
}

/// What a search may put in the place of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Candidates {
    /// One of these values. They may be tables, as whole models are.
    Values(Vec<Value>),
    /// A number of a range.
    Range(CandidateRange),
}

// === impl Metric ===

impl Metric {
    /// The task that it belongs to; `None` for the one that depends on it.
    pub const fn task(self) -> Option<Task> {
        match self {
            Self::Auto => None,
            Self::Accuracy | Self::F1 | Self::LogLoss => Some(Task::Classification),
            Self::R2 | Self::Rmse | Self::Mae => Some(Task::Regression),
        }
    }
}

// === impl Candidates ===

impl Candidates {
    /// The values that a grid takes, each once.
    pub fn grid_values(&self) -> Vec<Value> {
        match self {
            Self::Values(values) => values.clone(),
            Self::Range(range) => {
                let last = range.points.max(2) - 1;
                let mut values: Vec<Value> =
                    (0..=last).map(|point| range.at(point as f64 / last as f64)).collect();
                // Whole numbers that are close together meet.
                values.dedup();
                values
            }
        }
    }

    /// The value that a draw from 0 (included) to 1 (excluded) stands for.
    pub fn at(&self, draw: f64) -> Value {
        match self {
            Self::Values(values) => {
                // The product is from 0 to below the length, except by rounding, which `min` takes back.
                let index = (draw.clamp(0.0, 1.0) * values.len() as f64) as usize;
                values.get(index.min(values.len().saturating_sub(1))).cloned().unwrap_or_default()
            }
            Self::Range(range) => range.at(draw),
        }
    }
}

impl CandidateRange {
    /// The number at a part of the range: 0 is `low`, 1 is `high`.
    pub fn at(&self, part: f64) -> Value {
        let number = match self.scale {
            // The ends are what the author wrote, to the last bit.
            _ if part <= 0.0 => self.low,
            _ if part >= 1.0 => self.high,
            RangeScale::Linear => self.low + (self.high - self.low) * part,
            RangeScale::Log => (self.low.ln() + (self.high.ln() - self.low.ln()) * part).exp(),
        };
        // So that they can be read and copied, and so that every reader of JSON sees the same number: not all of them
        // give the last bit of a number of seventeen digits.
        let short = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
        // Rounding may not lead out of the range.
        let number = if self.whole { number } else { short }.max(self.low).min(self.high);
        if !self.whole {
            return Value::from(number);
        }
        // `check` holds the ends of such a range within the numbers that are exact here.
        Value::from(number.round() as i64)
    }
}

impl Field for Candidates {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        match value {
            Value::Array(_) => Vec::read(value, path, allowed).map(Self::Values),
            Value::Object(_) => {
                let reader = TableReader::new(value, path, None, CandidateRange::NAMES)?;
                CandidateRange::read_keys(&reader).map(Self::Range)
            }
            _ => Err(SpecError::WrongType {
                path: path.clone(),
                expected: "a list of values or a range such as { low = 1, high = 10 }".to_owned(),
                found: found(value),
            }),
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Values(values) => values.write(),
            Self::Range(range) => range.write(),
        }
    }

    fn type_text() -> String {
        "list of values or range".to_owned()
    }

    fn sections(path: &str, sections: &mut Vec<Section>) {
        <CandidateRange as Field>::sections(path, sections);
    }
}
