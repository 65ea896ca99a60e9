//! The proof that the export is the model that was trained.

use std::error::Error;

use yard_spec::Task;
use yard_types::{NamedTensor, TensorData};

use super::fit::{FittedModel, FittedRows};
use crate::{TrainingError, data::Labelled, export::output_name};

/// The engine that will serve the model.
pub trait Verifier {
    /// Runs a model, given as the content of an ONNX file, and gives its outputs.
    fn predict(
        &self,
        model: &[u8],
        inputs: Vec<NamedTensor>,
    ) -> Result<Vec<NamedTensor>, Box<dyn Error + Send + Sync>>;
}

/// A part of the data.
pub(crate) struct Portion<'a> {
    pub(crate) name: &'static str,
    pub(crate) data: &'a Labelled,
    pub(crate) rows: Vec<usize>,
}

/// Most rows of one part that are compared, evenly over the part.
const MOST_ROWS: usize = 400;

/// How far an engine may be from what was trained: by a part of the number itself, and of this where the number is
/// smaller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) relative: f32,
    unit: f32,
}

impl Tolerance {
    /// Sums of a network may be added in another order, those of trees are exact in any.
    pub(crate) fn of(model: &FittedModel) -> Self {
        match model {
            FittedModel::Network(_, label) => Self { relative: 1e-5, unit: label.deviation() },
            FittedModel::Text(_) => Self { relative: 1e-5, unit: 1.0 },
            FittedModel::Forest(_) => Self { relative: 1e-6, unit: 1.0 },
        }
    }

    pub(crate) fn absolute(self) -> f32 {
        self.relative * self.unit
    }
}

/// Runs rows of every part in the engine, raw as a request brings them, and compares.
pub(super) fn verify(
    model: &[u8],
    fitted: &FittedRows,
    task: Task,
    portions: &[Portion<'_>],
    verifier: &dyn Verifier,
) -> Result<(), TrainingError> {
    let output = output_name(task);
    for portion in portions {
        let every = portion.rows.len().div_ceil(MOST_ROWS);
        let rows: Vec<usize> = portion.rows.iter().copied().step_by(every).collect();
        let features = &portion.data.features;
        let trained = fitted.model.predict(&fitted.preparation.apply(features, &rows)?)?;
        let inputs = fitted.preparation.raw_inputs(features, &rows)?;
        let outputs = verifier.predict(model, inputs).map_err(TrainingError::NotServed)?;
        let served = outputs.into_iter().find(|tensor| tensor.name == output);
        let served = served.map(|tensor| tensor.tensor.into_parts().1);
        let Some(TensorData::Fp32(served)) = served else {
            let text = format!("it gives no output '{output}' of 32-bit numbers");
            return Err(TrainingError::NotServed(text.into()));
        };
        if served.len() != trained.len() {
            let text = format!("it gives {} numbers where {} were trained", served.len(), trained.len());
            return Err(TrainingError::NotServed(text.into()));
        }
        compare(&served, &trained, Tolerance::of(&fitted.model), portion.name, &rows, output)?;
    }
    Ok(())
}

/// Names the row that is furthest off, if one is off too far.
fn compare(
    served: &[f32],
    trained: &[f32],
    tolerance: Tolerance,
    split: &'static str,
    rows: &[usize],
    output: &'static str,
) -> Result<(), TrainingError> {
    let width = (trained.len() / rows.len().max(1)).max(1);
    let mut worst: Option<(f32, usize)> = None;
    for (place, (served, trained)) in served.iter().zip(trained).enumerate() {
        let is_same = served == trained || (served.is_nan() && trained.is_nan());
        let distance = (served - trained).abs() / trained.abs().max(tolerance.unit);
        // NaN on one side alone is as far off as can be.
        let distance = if distance.is_nan() { f32::INFINITY } else { distance };
        if !is_same && distance > worst.map_or(tolerance.relative, |(distance, _)| distance) {
            worst = Some((distance, place));
        }
    }
    let Some((_, place)) = worst else { return Ok(()) };
    Err(TrainingError::ServedDiffers {
        split,
        row: rows[place / width] + 1,
        output,
        place: place % width,
        served: served[place],
        trained: trained[place],
        tolerance: tolerance.relative * trained[place].abs().max(tolerance.unit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(served: &[f32], trained: &[f32], expected: Option<usize>) {
        check_in(1.0, served, trained, expected);
    }

    #[track_caller]
    fn check_in(unit: f32, served: &[f32], trained: &[f32], expected: Option<usize>) {
        let tolerance = Tolerance { relative: 1e-5, unit };
        let outcome = compare(served, trained, tolerance, "test", &[4, 9], "prediction");
        match (outcome, expected) {
            (Ok(()), None) => {}
            (Err(TrainingError::ServedDiffers { row, .. }), Some(expected)) => assert_eq!(row, expected),
            (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
        }
    }

    #[test]
    fn the_row_that_is_furthest_off_is_named_by_its_place_in_the_data() {
        check(&[1.0, 2.0], &[1.0, 2.0], None);
        check(&[1.0, 2.000_01], &[1.0, 2.0], None);
        check(&[100.0, 2.0], &[100.000_5, 2.0], None);
        check(&[1.1, 2.2], &[1.0, 2.0], Some(5));
        check(&[1.1, 3.2], &[1.0, 2.0], Some(10));
        check(&[f32::NAN, 9.0], &[1.0, 2.0], Some(5));
        check(&[f32::NAN, 2.0], &[f32::NAN, 2.0], None);
        // What is learned in millions cannot come nearer to 0 than that allows, and what is learned in millionths must.
        check_in(1e6, &[3.0, 0.0], &[1.0, 0.0], None);
        check_in(1e6, &[1.0, 30.0], &[1.0, 0.0], Some(10));
        check_in(1e-6, &[1e-9, 0.0], &[0.0, 0.0], Some(5));
    }
}
