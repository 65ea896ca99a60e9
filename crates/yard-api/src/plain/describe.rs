//! What `GET /predict` says about a model.

use bytes::Bytes;
use half::{bf16, f16};
use serde::Serialize;
use serde_json::value::RawValue;
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, TensorSpec};

use crate::json::{write_nested, write_string};

/// Most elements of a sample; a larger one would be of no use to a reader.
const MAX_SAMPLE_ELEMENTS: usize = 1 << 18;

/// A model as a caller of the plain surface needs to know it.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// What it takes.
    pub inputs: Vec<TensorDescription>,
    /// What it gives.
    pub outputs: Vec<TensorDescription>,
    /// A request that the model accepts; `null` where one row is too large to show.
    pub sample: Option<Box<RawValue>>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorDescription {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub datatype: &'static str,
    /// Its shape, with -1 where any number fits; `null` where the model does not say.
    pub shape: Option<Vec<i64>>,
    /// What the positions of the last dimension mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
}

/// Describes a model, with a sample built from its signature.
pub fn describe(model: &str, version: &str, signature: &Signature) -> Description {
    Description {
        model: model.to_owned(),
        version: version.to_owned(),
        inputs: signature.inputs.iter().map(describe_tensor).collect(),
        outputs: signature.outputs.iter().map(describe_tensor).collect(),
        sample: sample(&signature.inputs),
    }
}

fn describe_tensor(spec: &TensorSpec) -> TensorDescription {
    TensorDescription {
        name: spec.name.clone(),
        datatype: spec.data_type.as_str(),
        shape: spec.shape.is_some().then(|| spec.wire_shape()),
        labels: spec.labels.clone(),
    }
}

fn sample(inputs: &[TensorSpec]) -> Option<Box<RawValue>> {
    let mut room = MAX_SAMPLE_ELEMENTS;
    let mut bytes = b"{\"inputs\":".to_vec();
    if let [spec] = inputs {
        write_nested(&sample_tensor(spec, &mut room)?, &mut bytes).ok()?;
    } else {
        bytes.push(b'{');
        for (place, spec) in inputs.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            write_string(&spec.name, &mut bytes);
            bytes.push(b':');
            write_nested(&sample_tensor(spec, &mut room)?, &mut bytes).ok()?;
        }
        bytes.push(b'}');
    }
    bytes.push(b'}');
    RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
}

/// One row of zeros, or of the text "text".
fn sample_tensor(spec: &TensorSpec, room: &mut usize) -> Option<Tensor> {
    let shape: Vec<usize> = match &spec.shape {
        Some(dims) => dims
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(size) => *size,
                Dim::Symbol(_) | Dim::Any => 1,
            })
            .collect(),
        None => vec![1, 1],
    };
    // Lists end at a dimension of zero, so that nothing would show those inside it.
    if shape.iter().rev().skip(1).any(|size| *size == 0) {
        return None;
    }
    let count = Tensor::element_count(&shape).ok()?;
    *room = room.checked_sub(count)?;
    let data = match spec.data_type {
        DataType::Bool => TensorData::Bool(vec![false; count]),
        DataType::Uint8 => TensorData::Uint8(vec![0; count]),
        DataType::Uint16 => TensorData::Uint16(vec![0; count]),
        DataType::Uint32 => TensorData::Uint32(vec![0; count]),
        DataType::Uint64 => TensorData::Uint64(vec![0; count]),
        DataType::Int8 => TensorData::Int8(vec![0; count]),
        DataType::Int16 => TensorData::Int16(vec![0; count]),
        DataType::Int32 => TensorData::Int32(vec![0; count]),
        DataType::Int64 => TensorData::Int64(vec![0; count]),
        DataType::Fp16 => TensorData::Fp16(vec![f16::ZERO; count]),
        DataType::Bf16 => TensorData::Bf16(vec![bf16::ZERO; count]),
        DataType::Fp32 => TensorData::Fp32(vec![0.0; count]),
        DataType::Fp64 => TensorData::Fp64(vec![0.0; count]),
        DataType::Bytes => TensorData::Bytes(vec![Bytes::from_static(b"text"); count]),
    };
    Tensor::new(shape, data).ok()
}
