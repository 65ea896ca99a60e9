//! Samples: inputs and the outputs that belong to them, in the JSON of the Open Inference Protocol.

use std::{fs, path::Path};

use bytes::Bytes;
use half::{bf16, f16};
use serde_json::Value;
use yard_types::{DataType, NamedTensor, Tensor, TensorData};

/// Inputs and the outputs that belong to them.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) inputs: Vec<NamedTensor>,
    pub(super) outputs: Vec<NamedTensor>,
    /// The labels of each output, where it has some.
    pub(super) labels: Vec<Option<Vec<String>>>,
}

impl Sample {
    /// Whether every input has one row.
    pub(super) fn is_single(&self) -> bool {
        self.inputs.iter().all(|input| input.tensor.rows() == Some(1))
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<Sample>, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("'{}' cannot be read ({error}): run `cargo xtask setup`", path.display()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    list(&value)?.iter().map(sample).collect()
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("not a list: {value}"))
}

fn sample(value: &Value) -> Result<Sample, String> {
    let tensors = |key: &str| list(&value[key])?.iter().map(tensor).collect::<Result<Vec<_>, String>>();
    let labels = list(&value["outputs"])?.iter().map(|output| match &output["labels"] {
        Value::Array(labels) => {
            Some(labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(Sample { inputs: tensors("inputs")?, outputs: tensors("outputs")?, labels: labels.collect() })
}

fn tensor(value: &Value) -> Result<NamedTensor, String> {
    let text = |key: &str| value[key].as_str().ok_or_else(|| format!("no {key}"));
    let name = text("name")?.to_owned();
    let data_type: DataType = text("datatype")?.parse().map_err(|error| format!("{error}"))?;
    let size = |size: &Value| {
        size.as_u64().and_then(|size| usize::try_from(size).ok()).ok_or_else(|| format!("size {size}"))
    };
    let shape = list(&value["shape"])?.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let data =
        elements(data_type, list(&value["data"])?).ok_or_else(|| format!("bad elements of '{name}'"))?;
    let tensor = Tensor::new(shape, data).map_err(|error| error.to_string())?;
    Ok(NamedTensor { name, tensor })
}

fn elements(data_type: DataType, values: &[Value]) -> Option<TensorData> {
    /// The elements as whole numbers of a type.
    macro_rules! whole {
        ($as:ident, $type:ty) => {
            values.iter().map(|value| <$type>::try_from(value.$as()?).ok()).collect::<Option<Vec<$type>>>()?
        };
    }
    Some(match data_type {
        DataType::Bool => TensorData::Bool(values.iter().map(Value::as_bool).collect::<Option<_>>()?),
        DataType::Uint8 => TensorData::Uint8(whole!(as_u64, u8)),
        DataType::Uint16 => TensorData::Uint16(whole!(as_u64, u16)),
        DataType::Uint32 => TensorData::Uint32(whole!(as_u64, u32)),
        DataType::Uint64 => TensorData::Uint64(whole!(as_u64, u64)),
        DataType::Int8 => TensorData::Int8(whole!(as_i64, i8)),
        DataType::Int16 => TensorData::Int16(whole!(as_i64, i16)),
        DataType::Int32 => TensorData::Int32(whole!(as_i64, i32)),
        DataType::Int64 => TensorData::Int64(whole!(as_i64, i64)),
        DataType::Fp16 => TensorData::Fp16(floats(values)?.into_iter().map(f16::from_f64).collect()),
        DataType::Bf16 => TensorData::Bf16(floats(values)?.into_iter().map(bf16::from_f64).collect()),
        DataType::Fp32 => TensorData::Fp32(floats(values)?.into_iter().map(|value| value as f32).collect()),
        DataType::Fp64 => TensorData::Fp64(floats(values)?),
        DataType::Bytes => TensorData::Bytes(
            values
                .iter()
                .map(|value| value.as_str().map(|text| Bytes::from(text.to_owned())))
                .collect::<Option<_>>()?,
        ),
    })
}

fn floats(values: &[Value]) -> Option<Vec<f64>> {
    let float = |value: &Value| match value.as_str() {
        None => value.as_f64(),
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    };
    values.iter().map(float).collect()
}
