//! Requests as messages.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use yard_types::{DataType, NamedTensor, Tensor, TensorData};

use super::proto::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelRepositoryParameter,
    infer_parameter::ParameterChoice,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
    model_repository_parameter::ParameterChoice as RepositoryChoice,
};
use crate::{
    data_error::write_shape,
    limits::{MAX_DIMENSIONS, MAX_TENSORS, shown},
    request_error::{Part, RequestError},
    v2::{
        InferRequest, InputParameters, OutputParameters, ParameterValue, RequestParameters, RequestedOutput,
        check_id, check_load_parameter, check_name, decode_raw,
    },
};

/// Turns a message into a request. Whoever routes it has looked at the model and version before.
///
/// All outputs count as wanted in binary form, as a gRPC answer is binary whatever the request says.
pub fn decode_request(message: ModelInferRequest) -> Result<InferRequest<'static>, RequestError> {
    let ModelInferRequest {
        model_name,
        model_version: _,
        id,
        parameters,
        inputs,
        outputs,
        raw_input_contents,
    } = message;
    check_id(&id)?;
    check_count(inputs.len(), "inputs")?;
    check_count(outputs.len(), "requested outputs")?;
    let mut request_parameters = RequestParameters::default();
    for (name, value) in &parameters {
        request_parameters.set(name, parameter_value(&Part::Request, name, value)?)?;
    }
    request_parameters.binary_data_output = true;
    let request = InferRequest {
        id: (!id.is_empty()).then_some(Cow::Owned(id)),
        model_name: Some(Cow::Owned(model_name)),
        inputs: decode_inputs(inputs, raw_input_contents)?,
        outputs: outputs
            .into_iter()
            .enumerate()
            .map(|(place, output)| decode_output(output, place + 1))
            .collect::<Result<_, _>>()?,
        parameters: request_parameters,
    };
    request.check_names()?;
    Ok(request)
}

/// The model that a load or unload means, after checking that its parameters change nothing about what is loaded.
///
/// KServe's clients number the fields differently, so that their model arrives as the repository.
pub fn loaded_model<'m>(
    repository_name: &'m str,
    model_name: &'m str,
    parameters: &HashMap<String, ModelRepositoryParameter>,
) -> Result<&'m str, RequestError> {
    for (name, value) in parameters {
        let value = match &value.parameter_choice {
            Some(RepositoryChoice::BoolParam(value)) => ParameterValue::Bool(*value),
            Some(RepositoryChoice::Int64Param(value)) => ParameterValue::Integer(i128::from(*value)),
            Some(RepositoryChoice::StringParam(value)) => ParameterValue::Text(Cow::Borrowed(value)),
            // Only files come as bytes; they are refused by their name.
            Some(RepositoryChoice::BytesParam(_)) | None => ParameterValue::Text(Cow::Borrowed("")),
        };
        check_load_parameter(name, &value)?;
    }
    Ok(if model_name.is_empty() { repository_name } else { model_name })
}

fn check_count(count: usize, what: &'static str) -> Result<(), RequestError> {
    if count > MAX_TENSORS {
        return Err(RequestError::TooMany { part: Part::Request, what, limit: MAX_TENSORS });
    }
    Ok(())
}

fn parameter_value<'m>(
    part: &Part,
    name: &str,
    parameter: &'m InferParameter,
) -> Result<ParameterValue<'m>, RequestError> {
    Ok(match &parameter.parameter_choice {
        Some(ParameterChoice::BoolParam(value)) => ParameterValue::Bool(*value),
        Some(ParameterChoice::Int64Param(value)) => ParameterValue::Integer(i128::from(*value)),
        Some(ParameterChoice::Uint64Param(value)) => ParameterValue::Integer(i128::from(*value)),
        Some(ParameterChoice::DoubleParam(value)) => ParameterValue::Float(*value),
        Some(ParameterChoice::StringParam(value)) => ParameterValue::Text(Cow::Borrowed(value)),
        None => {
            let (part, parameter) = (part.clone(), shown(name));
            return Err(RequestError::ParameterValue { part, parameter, expected: "given a value" });
        }
    })
}

fn decode_output(
    output: InferRequestedOutputTensor,
    place: usize,
) -> Result<RequestedOutput<'static>, RequestError> {
    check_name(&output.name, &|| Part::UnnamedOutput(place))?;
    let part = Part::Output(shown(&output.name));
    let mut parameters = OutputParameters::default();
    for (name, value) in &output.parameters {
        parameters.set(&|| part.clone(), name, parameter_value(&part, name, value)?)?;
    }
    let OutputParameters { binary_data: _, classification } = parameters;
    Ok(RequestedOutput { name: Cow::Owned(output.name), binary: Some(true), classification })
}

// === inputs ===

fn decode_inputs(
    inputs: Vec<InferInputTensor>,
    raw: Vec<Bytes>,
) -> Result<Vec<NamedTensor<Cow<'static, str>>>, RequestError> {
    let all_raw = !raw.is_empty();
    if all_raw && raw.len() != inputs.len() {
        return Err(RequestError::RawContents { inputs: inputs.len(), got: raw.len() });
    }
    let mut raw = raw.into_iter();
    let mut named = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.into_iter().enumerate() {
        check_name(&input.name, &|| Part::UnnamedInput(place + 1))?;
        let tensor = decode_input(
            &input.name,
            input.datatype,
            input.shape,
            input.parameters,
            input.contents,
            raw.next(),
        )?;
        named.push(NamedTensor { name: Cow::Owned(input.name), tensor });
    }
    Ok(named)
}

fn decode_input(
    name: &str,
    data_type: String,
    shape: Vec<i64>,
    parameters: HashMap<String, InferParameter>,
    contents: Option<InferTensorContents>,
    raw: Option<Bytes>,
) -> Result<Tensor, RequestError> {
    let part = || Part::Input(shown(name));
    let mut known = InputParameters::default();
    for (name, value) in &parameters {
        known.set(&part, name, parameter_value(&part(), name, value)?)?;
    }
    let data_type = data_type.parse().map_err(|error| RequestError::DataType { part: part(), error })?;
    let shape = decode_shape(&part, &shape)?;
    let data = match (contents, raw) {
        (Some(_), Some(_)) => return Err(RequestError::TwoKindsOfData { part: part() }),
        (None, Some(raw)) => {
            // KServe's client repeats the size here as it does over REST.
            if known.binary_data_size.is_some_and(|size| usize::try_from(size) != Ok(raw.len())) {
                let expected = "the number of bytes of its raw_input_contents";
                let parameter = "binary_data_size".to_owned();
                return Err(RequestError::ParameterValue { part: part(), parameter, expected });
            }
            decode_raw(&part, &shape, data_type, raw)?
        }
        (Some(contents), None) => decode_contents(&part, &shape, data_type, contents)?,
        (None, None) => return Err(RequestError::MissingMember { part: part(), member: "contents" }),
    };
    Tensor::new(shape, data).map_err(|error| RequestError::Shape { part: part(), error })
}

fn decode_shape(part: &dyn Fn() -> Part, shape: &[i64]) -> Result<Vec<usize>, RequestError> {
    if shape.len() > MAX_DIMENSIONS {
        return Err(RequestError::TooMany { part: part(), what: "dimensions", limit: MAX_DIMENSIONS });
    }
    let size = |size: &i64| {
        usize::try_from(*size).map_err(|_| RequestError::Dimension { part: part(), value: size.to_string() })
    };
    shape.iter().map(size).collect()
}

/// Takes the elements out of the one field that belongs to the data type.
fn decode_contents(
    part: &dyn Fn() -> Part,
    shape: &[usize],
    data_type: DataType,
    contents: InferTensorContents,
) -> Result<TensorData, RequestError> {
    let InferTensorContents {
        bool_contents,
        int_contents,
        int64_contents,
        uint_contents,
        uint64_contents,
        fp32_contents,
        fp64_contents,
        bytes_contents,
    } = contents;
    let lengths = [
        bool_contents.len(),
        int_contents.len(),
        int64_contents.len(),
        uint_contents.len(),
        uint64_contents.len(),
        fp32_contents.len(),
        fp64_contents.len(),
        bytes_contents.len(),
    ];
    let field = match data_type {
        DataType::Bool => "bool_contents",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int_contents",
        DataType::Int64 => "int64_contents",
        DataType::Uint8 | DataType::Uint16 | DataType::Uint32 => "uint_contents",
        DataType::Uint64 => "uint64_contents",
        DataType::Fp16 | DataType::Bf16 => "raw_input_contents",
        DataType::Fp32 => "fp32_contents",
        DataType::Fp64 => "fp64_contents",
        DataType::Bytes => "bytes_contents",
    };
    let data = match data_type {
        DataType::Bool => TensorData::Bool(bool_contents),
        DataType::Int8 => TensorData::Int8(narrow(part, int_contents, "is outside the range of INT8")?),
        DataType::Int16 => TensorData::Int16(narrow(part, int_contents, "is outside the range of INT16")?),
        DataType::Int32 => TensorData::Int32(int_contents),
        DataType::Int64 => TensorData::Int64(int64_contents),
        DataType::Uint8 => TensorData::Uint8(narrow(part, uint_contents, "is outside the range of UINT8")?),
        DataType::Uint16 => {
            TensorData::Uint16(narrow(part, uint_contents, "is outside the range of UINT16")?)
        }
        DataType::Uint32 => TensorData::Uint32(uint_contents),
        DataType::Uint64 => TensorData::Uint64(uint64_contents),
        DataType::Fp16 | DataType::Bf16 => TensorData::with_capacity(data_type, 0),
        DataType::Fp32 => TensorData::Fp32(fp32_contents),
        DataType::Fp64 => TensorData::Fp64(fp64_contents),
        DataType::Bytes => TensorData::Bytes(bytes_contents),
    };
    let got = data.len();
    // Whatever is in the message beyond the right field is in a wrong one.
    if lengths.iter().sum::<usize>() != got {
        return Err(RequestError::Contents { part: part(), data_type, expected: field });
    }
    let expected =
        Tensor::element_count(shape).map_err(|error| RequestError::Shape { part: part(), error })?;
    if got != expected {
        if field == "raw_input_contents" {
            return Err(RequestError::Contents { part: part(), data_type, expected: field });
        }
        let (shape, got) = (write_shape(shape), got.to_string());
        return Err(RequestError::ElementCount { part: part(), shape, expected, got });
    }
    Ok(data)
}

fn narrow<Wide: Copy + ToString, Narrow: TryFrom<Wide>>(
    part: &dyn Fn() -> Part,
    values: Vec<Wide>,
    problem: &'static str,
) -> Result<Vec<Narrow>, RequestError> {
    let mut narrowed = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        match Narrow::try_from(value) {
            Ok(value) => narrowed.push(value),
            Err(_) => {
                let value = value.to_string();
                return Err(RequestError::Element { part: part(), index, value, problem });
            }
        }
    }
    Ok(narrowed)
}
