//! Whether rows of several requests may be run together: tried, not believed.

use yard_types::{DataType, Dim, Tensor, TensorSpec};

use super::{compare, compare::Tolerance, warm_up};
use crate::{LoadedModel, RowJoining, RunControl};

/// How many rows are joined, at most: one more than any blocking factor up to 16, and a few.
const JOINED: [usize; 2] = [3, 17];
/// How far a joined row may be off from the same row alone: engines sum in another order for another number of rows.
const TOLERANCE: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-5 };

/// Whether rows may be joined.
#[derive(Debug, Clone, PartialEq)]
pub enum JoiningProof {
    /// The graph allows it, and joined rows reproduced single ones.
    Allowed {
        /// The largest difference seen; 0 means bit for bit.
        max_difference: f64,
    },
    /// They may not.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Runs rows alone and joined, and compares. `single` is an input of one row that the model is known to accept.
pub(super) fn prove(loaded: &dyn LoadedModel, single: Option<&[Tensor]>) -> JoiningProof {
    let attempt = match (loaded.row_joining(), single) {
        (RowJoining::Refused(reason), _) => Err(reason),
        (RowJoining::Plausible, None) => Err("no input is known on which it could be tried".to_owned()),
        (RowJoining::Plausible, Some(single)) => try_rows(loaded, single),
    };
    match attempt {
        Ok(max_difference) => JoiningProof::Allowed { max_difference },
        Err(reason) => JoiningProof::Refused { reason },
    }
}

fn try_rows(loaded: &dyn LoadedModel, single: &[Tensor]) -> Result<f64, String> {
    let specs = &loaded.signature().inputs;
    let mut max_difference = 0.0_f64;
    for joined in JOINED {
        let rows: Vec<Vec<Tensor>> = (0..joined)
            .map(|variant| row(specs, single, variant))
            .collect::<Option<_>>()
            .ok_or_else(|| "no row could be made up".to_owned())?;
        let alone: Vec<Vec<Tensor>> = rows
            .iter()
            .map(|inputs| loaded.predict(inputs, &RunControl::new()))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("a single row failed in the trial: {error}"))?;
        let together: Vec<Tensor> = (0..specs.len())
            .map(|place| Tensor::concat_rows(&rows.iter().map(|row| &row[place]).collect::<Vec<_>>()))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let outputs = loaded
            .predict(&together, &RunControl::new())
            .map_err(|error| format!("{joined} joined rows failed in the trial: {error}"))?;
        for (place, output) in outputs.iter().enumerate() {
            let counts = vec![1; joined];
            let pieces = output
                .split_rows(&counts)
                .map_err(|_| format!("an output of {joined} joined rows has shape {:?}", output.shape()))?;
            for (piece, expected) in pieces.iter().zip(&alone) {
                let difference =
                    compare::within(&expected[place], piece, TOLERANCE).map_err(|difference| {
                        format!("{joined} joined rows differ from single ones: {difference}")
                    })?;
                max_difference = max_difference.max(difference);
            }
        }
    }
    Ok(max_difference)
}

/// The known input for the first row, made-up ones of the same shape for the others; one row each.
fn row(specs: &[TensorSpec], single: &[Tensor], variant: usize) -> Option<Vec<Tensor>> {
    specs
        .iter()
        .zip(single)
        .enumerate()
        .map(|(place, (spec, known))| {
            let mut shape = known.shape().to_vec();
            *shape.first_mut()? = 1;
            if !matches!(spec.shape.as_deref().and_then(<[Dim]>::first), Some(Dim::Symbol(_) | Dim::Any)) {
                return None;
            }
            // Text that the model was not made for may be refused: every row then has the text that it takes.
            if variant == 0 || spec.data_type == DataType::Bytes {
                let rows = known.rows()?;
                let counts: Vec<usize> = std::iter::once(1).chain((rows > 1).then_some(rows - 1)).collect();
                return known.split_rows(&counts).ok()?.into_iter().next();
            }
            let count = Tensor::element_count(&shape).ok()?;
            Tensor::new(shape, warm_up::fill(spec.data_type, count, variant * 31 + place)).ok()
        })
        .collect()
}
