//! Golden samples: rows with what the model says of them, for the proof of the version.

use serde::Serialize;
use yard_spec::Task;
use yard_types::{NamedTensor, TensorData};

use super::output_name;
use crate::{
    TrainingError,
    train::{FittedRows, Portion, Tolerance},
};

/// How many rows.
const SAMPLES: usize = 8;
/// Rows that are looked at for numbers that JSON can write.
const MOST_CANDIDATES: usize = 1000;

#[derive(Serialize)]
struct Golden {
    tolerance: WrittenTolerance,
    samples: Vec<Sample>,
}

#[derive(Serialize)]
struct WrittenTolerance {
    absolute: f32,
    relative: f32,
}

#[derive(Serialize)]
struct Sample {
    inputs: Vec<Written>,
    outputs: Vec<Written>,
}

#[derive(Serialize)]
struct Written {
    name: String,
    datatype: &'static str,
    shape: Vec<usize>,
    data: Values,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    Numbers(Vec<f32>),
    Texts(Vec<String>),
}

/// The samples as a file; `None` where no row can be written, because each misses a number.
pub(crate) fn golden(
    fitted: &FittedRows,
    task: Task,
    portions: &[Portion<'_>],
) -> Result<Option<String>, TrainingError> {
    // Rows that were not learned from say more.
    let Some(portion) = portions.last() else { return Ok(None) };
    let features = &portion.data.features;
    let mut samples = Vec::new();
    for row in portion.rows.iter().take(MOST_CANDIDATES) {
        let rows = [*row];
        let inputs = fitted.preparation.raw_inputs(features, &rows)?;
        let inputs: Option<Vec<Written>> = inputs.into_iter().map(written).collect();
        let outputs = fitted.model.predict(&fitted.preparation.apply(features, &rows)?)?;
        let is_finite = outputs.iter().all(|output| output.is_finite());
        let (Some(inputs), true) = (inputs, is_finite) else { continue };
        let output = Written {
            name: output_name(task).to_owned(),
            datatype: "FP32",
            shape: vec![1, outputs.len()],
            data: Values::Numbers(outputs),
        };
        samples.push(Sample { inputs, outputs: vec![output] });
        if samples.len() == SAMPLES {
            break;
        }
    }
    if samples.is_empty() {
        return Ok(None);
    }
    let tolerance = Tolerance::of(&fitted.model);
    let tolerance = WrittenTolerance { absolute: tolerance.absolute(), relative: tolerance.relative };
    let golden = Golden { tolerance, samples };
    Ok(Some(serde_json::to_string(&golden).expect("numbers and texts can always be written as JSON")))
}

/// A tensor as requests write it; `None` where JSON cannot write a number.
fn written(NamedTensor { name, tensor }: NamedTensor) -> Option<Written> {
    let datatype = tensor.data_type().as_str();
    let (shape, data) = tensor.into_parts();
    let data = match data {
        TensorData::Fp32(values) if values.iter().all(|value| value.is_finite()) => Values::Numbers(values),
        TensorData::Bytes(texts) => {
            let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).ok();
            Values::Texts(texts.iter().map(text).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Written { name, datatype, shape, data })
}
