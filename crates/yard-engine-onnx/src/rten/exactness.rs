//! What RTen would change without saying so.

use std::{fs::File, os::unix::fs::FileExt as _};

use yard_engine::{LoadError, ModelPackage};
use yard_onnx::{ExternalReference, OnnxError, WeightTensor};
use yard_types::DataType;

use super::{INSTEAD, NAME};
use crate::opened::{OpenedModel, refusal};

/// RTen does not look at the version itself, and would run operators by the rules that it knows.
const NEWEST_OPSET: i64 = 25;

/// Refuses models with values that RTen would narrow, and the operator set that it lacks as a whole.
pub(super) fn check(opened: &OpenedModel, package: &ModelPackage) -> Result<(), LoadError> {
    if let Some(used) = opened.model.operators().iter().find(|used| used.domain == "ai.onnx.ml") {
        return Err(LoadError::UnsupportedOperator {
            engine: NAME,
            operator: used.qualified(),
            node: used.node.clone(),
            instead: INSTEAD,
        });
    }
    if let Some(version) = opened.model.opset("").filter(|version| *version > NEWEST_OPSET) {
        return Err(LoadError::Refused {
            engine: NAME,
            reason: format!(
                "operator set {version} is newer than {NEWEST_OPSET}, the newest it knows; {INSTEAD}"
            ),
        });
    }
    let places = [("input", &opened.signature.inputs), ("output", &opened.signature.outputs)];
    for (what, specs) in places {
        for spec in specs {
            if !is_exact(spec.data_type) {
                return Err(unsupported(spec.data_type, format!("{what} '{}'", spec.name)));
            }
        }
    }
    for (data_type, node) in opened.model.cast_targets() {
        if !is_exact(data_type) {
            return Err(unsupported(data_type, format!("node '{node}'")));
        }
    }
    let bounds = opened.model.slice_bounds();
    let mut fault = None;
    let walked = opened.model.walk_weights(&mut |weight| {
        if fault.is_some() {
            return Ok(());
        }
        if let Some(data_type) = weight.data_type()
            && !is_exact(data_type)
        {
            fault = Some(unsupported(data_type, weight.place()));
        }
        let is_bound = weight.value_name().is_some_and(|name| bounds.contains(name));
        if !is_bound && holds_wide_integer(&weight, opened)? {
            fault = Some(unsupported(DataType::Int64, format!("{}, a value beyond 32 bits", weight.place())));
        }
        Ok(())
    });
    walked.map_err(|error| refusal(package.main(), error))?;
    fault.map_or(Ok(()), Err)
}

/// Whether RTen computes on values of this type without changing them.
const fn is_exact(data_type: DataType) -> bool {
    use DataType::{Bool, Fp32, Int8, Int32, Int64, Uint8};
    matches!(data_type, Fp32 | Int32 | Int64 | Bool | Int8 | Uint8)
}

const fn unsupported(data_type: DataType, place: String) -> LoadError {
    LoadError::UnsupportedType { engine: NAME, data_type, place, instead: INSTEAD }
}

fn holds_wide_integer(weight: &WeightTensor<'_>, opened: &OpenedModel) -> Result<bool, OnnxError> {
    let is_wide = |value: &i64| i32::try_from(*value).is_err();
    if weight.data_type() != Some(DataType::Int64) {
        return Ok(false);
    }
    if let Some(values) = weight.inline_int64() {
        return Ok(values.iter().any(is_wide));
    }
    let Some(reference) = ExternalReference::of(weight)? else { return Ok(false) };
    let file = File::open(opened.directory.join(reference.file.as_str()))?;
    let length = reference.length.unwrap_or_else(|| weight.declared_bytes());
    let mut chunk = vec![0; 1 << 16];
    let mut done = 0;
    while done < length {
        let take = usize::try_from(length - done).map_or(chunk.len(), |rest| rest.min(chunk.len()));
        file.read_exact_at(&mut chunk[..take], reference.offset + done)?;
        if chunk[..take].as_chunks::<8>().0.iter().any(|bytes| is_wide(&i64::from_le_bytes(*bytes))) {
            return Ok(true);
        }
        done += take as u64;
    }
    Ok(false)
}
