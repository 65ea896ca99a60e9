//! Figures of predictions, as scikit-learn defines them.
//!
//! `tests/reference/metrics.json` holds what scikit-learn gives; `python/reference/metrics.py` made it. Where it gives
//! no number (the area under a curve without one of the classes) there is no figure, where it would give one of no
//! meaning (R2 of a single row) that of a constant is given.

mod classes;
mod numbers;

use yard_features::Targets;

pub(crate) use self::classes::{ByClass, ClassFigures};
use super::Metrics;

/// What was measured on some rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) metrics: Metrics,
    /// Only of a classification.
    pub(crate) by_class: Option<ByClass>,
}

/// Figures of probabilities or numbers, row by row, against what was to be foretold.
pub(super) fn measure(predictions: &[f32], targets: &Targets) -> Measured {
    match targets {
        Targets::Numbers(wanted) => {
            Measured { metrics: numbers::figures(predictions, wanted), by_class: None }
        }
        Targets::Classes(wanted) => classes::figures(predictions, wanted),
    }
}

#[cfg(test)]
mod tests;
