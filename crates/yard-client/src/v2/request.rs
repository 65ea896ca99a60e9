//! Writing a prediction request.

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use yard_types::{NamedTensor, TensorData};

use super::{TensorForm, elements};
use crate::ClientError;

/// A written request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The length of the JSON before the binary data; `None` when all is JSON.
    pub(super) header_length: Option<usize>,
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct Request<'a> {
    inputs: Vec<Input<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
}

#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    shape: &'a [usize],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

pub(super) fn write(inputs: &[NamedTensor], form: TensorForm) -> Result<Written, ClientError> {
    let mut binary = Vec::new();
    let mut written = Vec::with_capacity(inputs.len());
    for NamedTensor { name, tensor } in inputs {
        let refuse =
            |reason: String| ClientError::Request(format!("input '{name}' cannot be sent: {reason}"));
        let (parameters, data) = match form {
            TensorForm::Binary => {
                let before = binary.len();
                elements::append(tensor.data(), &mut binary).map_err(|reason| refuse(reason.to_owned()))?;
                (Some(json!({"binary_data_size": binary.len() - before})), None)
            }
            TensorForm::Json => (None, Some(as_json(tensor.data()).map_err(refuse)?)),
        };
        let datatype = tensor.data_type().as_str();
        written.push(Input { name, shape: tensor.shape(), datatype, parameters, data });
    }
    let parameters = (form == TensorForm::Binary).then(|| json!({"binary_data_output": true}));
    let mut body = serde_json::to_vec(&Request { inputs: written, parameters })
        .map_err(|error| ClientError::Request(format!("the request cannot be written: {error}")))?;
    let header_length = (form == TensorForm::Binary).then_some(body.len());
    body.append(&mut binary);
    Ok(Written { header_length, body })
}

fn as_json(data: &TensorData) -> Result<Box<RawValue>, String> {
    const NOT_FINITE: &str = "NaN and infinity cannot be JSON; send it as binary data";
    let raw = match data {
        TensorData::Bool(values) => to_raw_value(values),
        TensorData::Uint8(values) => to_raw_value(values),
        TensorData::Uint16(values) => to_raw_value(values),
        TensorData::Uint32(values) => to_raw_value(values),
        TensorData::Uint64(values) => to_raw_value(values),
        TensorData::Int8(values) => to_raw_value(values),
        TensorData::Int16(values) => to_raw_value(values),
        TensorData::Int32(values) => to_raw_value(values),
        TensorData::Int64(values) => to_raw_value(values),
        TensorData::Fp32(values) if values.iter().all(|value| value.is_finite()) => to_raw_value(values),
        TensorData::Fp64(values) if values.iter().all(|value| value.is_finite()) => to_raw_value(values),
        TensorData::Fp32(_) | TensorData::Fp64(_) => return Err(NOT_FINITE.to_owned()),
        TensorData::Fp16(_) | TensorData::Bf16(_) => {
            return Err(format!("{} cannot be JSON; send it as binary data", data.data_type()));
        }
        TensorData::Bytes(values) => {
            let texts: Result<Vec<&str>, _> = values.iter().map(|value| std::str::from_utf8(value)).collect();
            to_raw_value(&texts.map_err(|_| "it is not UTF-8 text; send it as binary data".to_owned())?)
        }
    };
    raw.map_err(|error| error.to_string())
}
