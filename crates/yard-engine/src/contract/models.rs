//! What comes out of models.

use std::ops::Range;

use yard_types::{DataType, NamedTensor, Tensor, TensorData};

use super::{Broken, Faults, Refusal, Subject, assets::Asset, model_name, samples::Sample};
use crate::{LoadOptions, LoadedModel, PredictError, RowJoining, RunControl, Tolerance, proof::compare};

/// Every element type that the engine takes comes out as it went in, extreme values included; every other one is refused
/// by name.
pub fn element_types(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("element types");
    for data_type in DataType::ALL {
        let name = format!("identity-{}", data_type.as_str().to_lowercase());
        let verdict = if subject.element_types.contains(&data_type) {
            is_identity(subject, &name)
        } else {
            is_refused(subject, &name, Refusal::ElementType)
        };
        faults.check(&name, verdict);
    }
    faults.verdict()
}

fn is_identity(subject: &Subject<'_>, name: &str) -> Result<(), String> {
    let models = subject.models()?;
    let model = models.iter().find(|model| model.name == name).ok_or("not among the assets")?;
    let loaded = subject.load(name)?;
    reproduces(subject, loaded.as_ref(), model, Tolerance { absolute: 0.0, relative: 0.0 })?;
    if name != "identity-int64" {
        return Ok(());
    }
    let greatest = i64::MAX >> (64 - subject.widest_integer_bits);
    let extremes = Tensor::new(vec![1, 2], TensorData::Int64(vec![greatest, -greatest - 1]));
    let extremes = [extremes.map_err(|error| error.to_string())?];
    match loaded.predict(&extremes, &RunControl::new()) {
        Ok(outputs) if outputs == extremes => Ok(()),
        other => Err(format!("its own extremes give {other:?}")),
    }
}

/// Every model gives what the Python ONNX Runtime gave, or is refused as promised.
pub fn real_models(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("outputs of models");
    let models = subject.models().unwrap_or_else(|error| {
        faults.check("assets", Err(error));
        Vec::new()
    });
    for model in &models {
        let verdict = match subject.refusal_of(&model.name) {
            Some(refusal) => is_refused(subject, &model.name, refusal),
            // The clause about element types looks at these.
            None if subject.is_refused_type(&model.name) => Ok(()),
            None => subject
                .load(&model.name)
                .and_then(|loaded| reproduces(subject, loaded.as_ref(), model, subject.tolerance)),
        };
        faults.check(&model.name, verdict);
    }
    faults.verdict()
}

/// The engine's word on whether rows may be joined is right where the truth is known by construction.
pub fn joining_verdicts(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("whether rows may be joined");
    let models = subject.models_to_run().unwrap_or_else(|error| {
        faults.check("assets", Err(error));
        Vec::new()
    });
    for model in models {
        let Some(truth) = model.rows_join else { continue };
        let verdict = subject.load(&model.name).and_then(|loaded| match (truth, loaded.row_joining()) {
            (true, RowJoining::Refused(reason)) => Err(format!("refused: {reason}")),
            (false, RowJoining::Plausible) => {
                Err("allowed, though its rows depend on one another".to_owned())
            }
            _ => Ok(()),
        });
        faults.check(&model.name, verdict);
    }
    faults.verdict()
}

/// Where rows may be joined, a batch gives for each row what the row gives alone.
pub fn batches_equal_singles(subject: &Subject<'_>) -> Result<(), Broken> {
    let mut faults = Faults::new("batches against single rows");
    let models = subject.models_to_run().unwrap_or_else(|error| {
        faults.check("assets", Err(error));
        Vec::new()
    });
    for model in &models {
        let verdict = subject.load(&model.name).and_then(|loaded| {
            if loaded.row_joining() != RowJoining::Plausible {
                return Ok(());
            }
            let batches =
                model.samples.iter().filter(|sample| !sample.is_single() && !subject.is_beyond(sample));
            batches.into_iter().try_for_each(|sample| splits(loaded.as_ref(), sample, subject.tolerance))
        });
        faults.check(&model.name, verdict);
    }
    faults.verdict()
}

/// Runs a sample; gives the outputs in the order of the signature.
pub(super) fn run(loaded: &dyn LoadedModel, inputs: &[NamedTensor]) -> Result<Vec<Tensor>, String> {
    let arranged = loaded.signature().arrange(&model_name()?, inputs.to_vec());
    let arranged = arranged.map_err(|error| format!("the sample does not fit the signature: {error}"))?;
    loaded.predict(&arranged, &RunControl::new()).map_err(|error| error.to_string())
}

/// Checks outputs against those of a sample.
pub(super) fn equals(
    loaded: &dyn LoadedModel,
    outputs: &[Tensor],
    sample: &Sample,
    tolerance: Tolerance,
) -> Result<(), String> {
    if outputs.len() != loaded.signature().outputs.len() {
        return Err(format!("{} outputs", outputs.len()));
    }
    for (expected, labels) in sample.outputs.iter().zip(&sample.labels) {
        let name = &expected.name;
        let found = loaded.signature().output(name).ok_or_else(|| format!("no output '{name}'"))?;
        let (place, spec) = found;
        if outputs[place].data_type() != spec.data_type {
            return Err(format!("output '{name}' is {}, not {}", outputs[place].data_type(), spec.data_type));
        }
        if labels.is_some() && spec.labels != *labels {
            return Err(format!("output '{name}' has the labels {:?}, not {labels:?}", spec.labels));
        }
        compare::within(&expected.tensor, &outputs[place], tolerance)
            .map_err(|difference| format!("output '{name}': {difference}"))?;
    }
    Ok(())
}

impl Subject<'_> {
    /// Whether a sample holds integers that the engine does not take.
    pub(super) fn is_beyond(&self, sample: &Sample) -> bool {
        let bits = self.widest_integer_bits;
        let is_wide = |value: &i64| {
            let shifted = *value >> (bits - 1);
            shifted != 0 && shifted != -1
        };
        sample.inputs.iter().any(|input| match input.tensor.data() {
            TensorData::Int64(values) => values.iter().any(is_wide),
            _ => false,
        })
    }
}

fn reproduces(
    subject: &Subject<'_>,
    loaded: &dyn LoadedModel,
    model: &Asset,
    tolerance: Tolerance,
) -> Result<(), String> {
    if model.samples.is_empty() {
        return Err("no samples".to_owned());
    }
    for (place, sample) in model.samples.iter().enumerate() {
        if subject.is_beyond(sample) {
            is_bad_input(loaded, sample).map_err(|fault| format!("sample {place}: {fault}"))?;
            continue;
        }
        run(loaded, &sample.inputs)
            .and_then(|outputs| equals(loaded, &outputs, sample, tolerance))
            .map_err(|fault| format!("sample {place}: {fault}"))?;
    }
    Ok(())
}

fn is_bad_input(loaded: &dyn LoadedModel, sample: &Sample) -> Result<(), String> {
    let inputs: Vec<Tensor> = sample.inputs.iter().map(|input| input.tensor.clone()).collect();
    match loaded.predict(&inputs, &RunControl::new()) {
        Err(PredictError::BadInput(_)) => Ok(()),
        other => Err(format!("holds integers that are too wide, but gives {other:?}")),
    }
}

fn is_refused(subject: &Subject<'_>, name: &str, refusal: Refusal) -> Result<(), String> {
    let package = subject.package("models", name)?;
    match subject.engine.load(&package, &LoadOptions::default()) {
        Ok(_) => Err("loaded, but should be refused".to_owned()),
        Err(error) if refusal.fits(&error) => Ok(()),
        Err(error) => Err(format!("refused for another reason than {refusal:?}: {error}")),
    }
}

fn splits(loaded: &dyn LoadedModel, sample: &Sample, tolerance: Tolerance) -> Result<(), String> {
    let rows = sample.inputs.first().and_then(|input| input.tensor.rows()).ok_or("no rows")?;
    let together = run(loaded, &sample.inputs)?;
    for row in 0..rows {
        let inputs = sample
            .inputs
            .iter()
            .map(|input| {
                Ok(NamedTensor { name: input.name.clone(), tensor: cut(&input.tensor, row..row + 1)? })
            })
            .collect::<Result<Vec<_>, String>>()?;
        let alone = run(loaded, &inputs)?;
        for (place, expected) in alone.iter().enumerate() {
            let joined = cut(&together[place], row..row + 1)?;
            compare::within(expected, &joined, tolerance)
                .map_err(|difference| format!("row {row} of {rows}, output {place}: {difference}"))?;
        }
    }
    Ok(())
}

fn cut(tensor: &Tensor, rows: Range<usize>) -> Result<Tensor, String> {
    let all = tensor.rows().ok_or("a scalar has no rows")?;
    let counts = [rows.start, rows.len(), all.saturating_sub(rows.end)];
    let mut pieces = tensor.split_rows(&counts).map_err(|error| error.to_string())?;
    Ok(pieces.swap_remove(1))
}
