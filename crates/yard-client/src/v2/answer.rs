//! Reading the answer to a prediction.

use bytes::Bytes;
use half::{bf16, f16};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use yard_types::{DataType, NamedTensor, Tensor, TensorData};

use super::{InferAnswer, elements};

#[derive(Deserialize)]
struct Answer<'a> {
    model_name: String,
    #[serde(default)]
    model_version: String,
    #[serde(borrow)]
    outputs: Vec<Output<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    #[serde(default)]
    parameters: OutputParameters,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct OutputParameters {
    binary_data_size: Option<usize>,
}

/// Reads an answer whose first `header_length` bytes are JSON; all of them when that is `None`.
pub(super) fn read(body: &Bytes, header_length: Option<usize>) -> Result<InferAnswer, String> {
    let header_length = header_length.unwrap_or(body.len());
    if header_length > body.len() {
        return Err(format!("it says that {header_length} bytes are JSON, but has {}", body.len()));
    }
    let mut binary = body.slice(header_length..);
    let answer: Answer<'_> = serde_json::from_slice(&body[..header_length])
        .map_err(|error| format!("it is not the JSON that was expected: {error}"))?;
    let mut outputs = Vec::with_capacity(answer.outputs.len());
    for output in answer.outputs {
        let odd = |reason: &dyn std::fmt::Display| format!("output '{}': {reason}", output.name);
        let data_type: DataType = output.datatype.parse().map_err(|error| odd(&error))?;
        let data = match (output.parameters.binary_data_size, output.data) {
            (Some(size), None) if size <= binary.len() => elements::read(data_type, binary.split_to(size)),
            (Some(_), None) => Err("the binary data is shorter than it says"),
            (None, Some(json)) => from_json(data_type, json),
            _ => Err("it has neither JSON data nor binary data, or both"),
        };
        let tensor = Tensor::new(output.shape, data.map_err(|reason| odd(&reason))?);
        let tensor = tensor.map_err(|error| odd(&error))?;
        outputs.push(NamedTensor { name: output.name, tensor });
    }
    if !binary.is_empty() {
        return Err(format!("{} bytes follow the binary data", binary.len()));
    }
    Ok(InferAnswer { model: answer.model_name, version: answer.model_version, outputs })
}

fn from_json(data_type: DataType, json: &RawValue) -> Result<TensorData, &'static str> {
    fn list<T: DeserializeOwned>(json: &RawValue) -> Result<Vec<T>, &'static str> {
        serde_json::from_str(json.get()).map_err(|_| "its data is not a flat list of its data type")
    }
    Ok(match data_type {
        DataType::Bool => TensorData::Bool(list(json)?),
        DataType::Uint8 => TensorData::Uint8(list(json)?),
        DataType::Uint16 => TensorData::Uint16(list(json)?),
        DataType::Uint32 => TensorData::Uint32(list(json)?),
        DataType::Uint64 => TensorData::Uint64(list(json)?),
        DataType::Int8 => TensorData::Int8(list(json)?),
        DataType::Int16 => TensorData::Int16(list(json)?),
        DataType::Int32 => TensorData::Int32(list(json)?),
        DataType::Int64 => TensorData::Int64(list(json)?),
        DataType::Fp16 => TensorData::Fp16(list::<f32>(json)?.into_iter().map(f16::from_f32).collect()),
        DataType::Bf16 => TensorData::Bf16(list::<f32>(json)?.into_iter().map(bf16::from_f32).collect()),
        DataType::Fp32 => TensorData::Fp32(list(json)?),
        DataType::Fp64 => TensorData::Fp64(list(json)?),
        DataType::Bytes => TensorData::Bytes(list::<String>(json)?.into_iter().map(Bytes::from).collect()),
    })
}
