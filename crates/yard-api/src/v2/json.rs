//! Reading the JSON form of an inference request, in one pass.

use std::borrow::Cow;

use bytes::Bytes;
use yard_types::{DataType, NamedTensor, Tensor, TensorData};

use super::{
    BinaryPart, InferRequest, InputParameters, OutputParameters, RequestParameters, RequestedOutput,
    check_id, check_name, parameters::read_parameters,
};
use crate::{
    data_error::DataContext,
    json::{Cursor, element_of, read_data, skip_data},
    limits::{MAX_DIMENSIONS, MAX_TENSORS, shown, shown_bytes},
    request_error::{Part, RequestError},
};

impl<'a> InferRequest<'a> {
    /// Reads a request that is JSON alone.
    pub fn from_json(body: &'a Bytes) -> Result<Self, RequestError> {
        read_request(Cursor::new(body), None)
    }

    /// Reads a request whose first `header_length` bytes are JSON and whose rest is binary data.
    pub fn from_binary(body: &'a Bytes, header_length: usize) -> Result<Self, RequestError> {
        let mut binary = BinaryPart::after(body, header_length)?;
        let request = read_request(Cursor::over_prefix(body, header_length), Some(&mut binary))?;
        binary.finish()?;
        Ok(request)
    }
}

fn read_request<'a>(
    mut cursor: Cursor<'a>,
    mut binary: Option<&mut BinaryPart>,
) -> Result<InferRequest<'a>, RequestError> {
    let part = || Part::Request;
    let (mut id, mut model_name, mut parameters) = (None, None, None);
    let (mut inputs, mut outputs) = (None, None);
    let mut first = true;
    cursor.expect(b'{', "an object with the member 'inputs'")?;
    while let Some(member) = cursor.next_member(&mut first)? {
        match &*member {
            "id" => put(&mut id, &part, "id", read_id(&mut cursor)?)?,
            "model_name" => {
                put(&mut model_name, &part, "model_name", Some(cursor.string("the name of the model")?))?;
            }
            "parameters" => {
                let mut read = RequestParameters::default();
                read_parameters(&mut cursor, &part, |name, value| read.set(name, value))?;
                put(&mut parameters, &part, "parameters", read)?;
            }
            "inputs" => {
                let read = read_inputs(&mut cursor, binary.as_deref_mut())?;
                put(&mut inputs, &part, "inputs", read)?;
            }
            "outputs" => put(&mut outputs, &part, "outputs", read_outputs(&mut cursor)?)?,
            _ => {
                return Err(RequestError::UnknownMember {
                    part: Part::Request,
                    member: shown(&member),
                    known: "id, model_name, parameters, inputs, outputs",
                });
            }
        }
    }
    cursor.finish()?;
    let request = InferRequest {
        id: id.flatten(),
        model_name: model_name.flatten(),
        inputs: inputs.ok_or(RequestError::MissingMember { part: Part::Request, member: "inputs" })?,
        outputs: outputs.unwrap_or_default(),
        parameters: parameters.unwrap_or_default(),
    };
    request.check_names()?;
    Ok(request)
}

/// Puts a member into its slot, which must be empty.
fn put<T>(
    slot: &mut Option<T>,
    part: &dyn Fn() -> Part,
    member: &'static str,
    value: T,
) -> Result<(), RequestError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(RequestError::DuplicateMember { part: part(), member: member.to_owned() }),
    }
}

fn read_id<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, RequestError> {
    if cursor.take_word("null") {
        return Ok(None);
    }
    let id = cursor.string("the id as a string")?;
    check_id(&id)?;
    Ok(Some(id))
}

fn read_name<'a>(cursor: &mut Cursor<'a>, part: &dyn Fn() -> Part) -> Result<Cow<'a, str>, RequestError> {
    let name = cursor.string("the name as a string")?;
    check_name(&name, part)?;
    Ok(name)
}

// === inputs ===

fn read_inputs<'a>(
    cursor: &mut Cursor<'a>,
    mut binary: Option<&mut BinaryPart>,
) -> Result<Vec<NamedTensor<Cow<'a, str>>>, RequestError> {
    let mut inputs = Vec::new();
    let mut first = true;
    cursor.expect(b'[', "a list of inputs")?;
    while cursor.next_element(&mut first)? {
        if inputs.len() == MAX_TENSORS {
            return Err(RequestError::TooMany { part: Part::Request, what: "inputs", limit: MAX_TENSORS });
        }
        inputs.push(read_input(cursor, inputs.len() + 1, binary.as_deref_mut())?);
    }
    Ok(inputs)
}

/// The members of an input read so far.
#[derive(Default)]
struct InputDraft<'a> {
    name: Option<Cow<'a, str>>,
    shape: Option<Vec<usize>>,
    data_type: Option<DataType>,
    parameters: Option<InputParameters>,
    data: Option<DraftData>,
}

enum DraftData {
    Read(TensorData),
    /// Came before the members that say how to read it: where it starts.
    Skipped(usize),
}

fn input_part(name: Option<&str>, place: usize) -> Part {
    match name {
        Some(name) => Part::Input(shown(name)),
        None => Part::UnnamedInput(place),
    }
}

fn read_input<'a>(
    cursor: &mut Cursor<'a>,
    place: usize,
    binary: Option<&mut BinaryPart>,
) -> Result<NamedTensor<Cow<'a, str>>, RequestError> {
    let mut draft = InputDraft::default();
    let mut first = true;
    cursor.expect(b'{', "an input, which is an object,")?;
    while let Some(member) = cursor.next_member(&mut first)? {
        let InputDraft { name, shape, data_type, parameters, data } = &mut draft;
        if &*member == "name" {
            let part = || Part::UnnamedInput(place);
            let read = read_name(cursor, &part)?;
            put(name, &part, "name", read)?;
            continue;
        }
        let part = || input_part(name.as_deref(), place);
        match &*member {
            "shape" => put(shape, &part, "shape", read_shape(cursor, &part)?)?,
            "datatype" => put(data_type, &part, "datatype", read_data_type(cursor, &part)?)?,
            "parameters" => {
                let mut read = InputParameters::default();
                read_parameters(cursor, &part, |name, value| read.set(&part, name, value))?;
                put(parameters, &part, "parameters", read)?;
            }
            "data" => {
                let read = match (&name, &shape, *data_type) {
                    (Some(_), Some(shape), Some(data_type)) => {
                        DraftData::Read(read_tensor_data(cursor, &part, shape, data_type)?)
                    }
                    _ => {
                        cursor.peek();
                        let start = cursor.at();
                        skip_data(cursor)?;
                        DraftData::Skipped(start)
                    }
                };
                put(data, &part, "data", read)?;
            }
            _ => {
                return Err(RequestError::UnknownMember {
                    part: part(),
                    member: shown(&member),
                    known: "name, shape, datatype, parameters, data",
                });
            }
        }
    }
    finish_input(cursor, place, draft, binary)
}

fn finish_input<'a>(
    cursor: &mut Cursor<'a>,
    place: usize,
    draft: InputDraft<'a>,
    binary: Option<&mut BinaryPart>,
) -> Result<NamedTensor<Cow<'a, str>>, RequestError> {
    let InputDraft { name, shape, data_type, parameters, data } = draft;
    let part = || input_part(name.as_deref(), place);
    let missing = |member| RequestError::MissingMember { part: part(), member };
    let Some(shape) = shape else { return Err(missing("shape")) };
    let Some(data_type) = data_type else { return Err(missing("datatype")) };
    let binary_size = parameters.and_then(|parameters| parameters.binary_data_size);
    let data = match (data, binary_size, binary) {
        (Some(_), Some(_), _) => return Err(RequestError::TwoKindsOfData { part: part() }),
        (Some(DraftData::Read(data)), None, _) => data,
        (Some(DraftData::Skipped(start)), None, _) => {
            let end = cursor.at();
            cursor.move_to(start);
            let data = read_tensor_data(cursor, &part, &shape, data_type)?;
            cursor.move_to(end);
            data
        }
        (None, Some(size), Some(binary)) => binary.take(&part, &shape, data_type, size)?,
        (None, Some(_), None) => return Err(RequestError::BinaryWithoutHeader { part: part() }),
        (None, None, _) => return Err(missing("data")),
    };
    let tensor = Tensor::new(shape, data).map_err(|error| RequestError::Shape { part: part(), error })?;
    let Some(name) = name else { return Err(missing("name")) };
    Ok(NamedTensor { name, tensor })
}

fn read_shape(cursor: &mut Cursor<'_>, part: &dyn Fn() -> Part) -> Result<Vec<usize>, RequestError> {
    let mut shape = Vec::with_capacity(4);
    let mut first = true;
    cursor.expect(b'[', "the shape as a list")?;
    while cursor.next_element(&mut first)? {
        if shape.len() == MAX_DIMENSIONS {
            return Err(RequestError::TooMany { part: part(), what: "dimensions", limit: MAX_DIMENSIONS });
        }
        cursor.peek();
        let Some(text) = cursor.number() else {
            return Err(cursor.unexpected("a dimension, which is a whole number,").into());
        };
        let size = text.parse::<i64>().ok().and_then(|size| usize::try_from(size).ok());
        match size {
            Some(size) => shape.push(size),
            None => {
                let value = shown_bytes(text.as_bytes());
                return Err(RequestError::Dimension { part: part(), value });
            }
        }
    }
    Ok(shape)
}

fn read_data_type(cursor: &mut Cursor<'_>, part: &dyn Fn() -> Part) -> Result<DataType, RequestError> {
    let name = cursor.string("the data type as a string")?;
    name.parse().map_err(|error| RequestError::DataType { part: part(), error })
}

fn read_tensor_data(
    cursor: &mut Cursor<'_>,
    part: &dyn Fn() -> Part,
    shape: &[usize],
    data_type: DataType,
) -> Result<TensorData, RequestError> {
    let expected =
        Tensor::element_count(shape).map_err(|error| RequestError::Shape { part: part(), error })?;
    if matches!(data_type, DataType::Fp16 | DataType::Bf16) {
        return Err(RequestError::HalfInJson { part: part(), data_type });
    }
    element_of!(data_type, read_data(cursor, shape, expected))
        .map_err(|fault| DataContext { part: part(), shape, expected, text: cursor.text() }.explain(fault))
}

// === outputs ===

fn read_outputs<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<RequestedOutput<'a>>, RequestError> {
    let mut outputs = Vec::new();
    if cursor.take_word("null") {
        return Ok(outputs);
    }
    let mut first = true;
    cursor.expect(b'[', "a list of outputs")?;
    while cursor.next_element(&mut first)? {
        if outputs.len() == MAX_TENSORS {
            let what = "requested outputs";
            return Err(RequestError::TooMany { part: Part::Request, what, limit: MAX_TENSORS });
        }
        outputs.push(read_output(cursor, outputs.len() + 1)?);
    }
    Ok(outputs)
}

fn read_output<'a>(cursor: &mut Cursor<'a>, place: usize) -> Result<RequestedOutput<'a>, RequestError> {
    let (mut name, mut parameters) = (None::<Cow<'a, str>>, None);
    let mut first = true;
    cursor.expect(b'{', "a requested output, which is an object,")?;
    while let Some(member) = cursor.next_member(&mut first)? {
        let known_name = name.as_deref().map(shown);
        let part = || match &known_name {
            Some(name) => Part::Output(name.clone()),
            None => Part::UnnamedOutput(place),
        };
        match &*member {
            "name" => put(&mut name, &part, "name", read_name(cursor, &part)?)?,
            "parameters" => {
                let mut read = OutputParameters::default();
                read_parameters(cursor, &part, |name, value| read.set(&part, name, value))?;
                put(&mut parameters, &part, "parameters", read)?;
            }
            _ => {
                let (part, member) = (part(), shown(&member));
                return Err(RequestError::UnknownMember { part, member, known: "name, parameters" });
            }
        }
    }
    let part = Part::UnnamedOutput(place);
    let name = name.ok_or(RequestError::MissingMember { part, member: "name" })?;
    let OutputParameters { binary_data, classification } = parameters.unwrap_or_default();
    Ok(RequestedOutput { name, binary: binary_data, classification })
}

#[cfg(test)]
mod tests;
