//! Reading rows.

use std::borrow::Cow;

use bytes::Bytes;
use yard_types::{Dim, NamedTensor, Signature, Tensor, TensorSpec};

use crate::{
    data_error::{explain_rows, write_shape},
    json::{Cursor, element_of, read_rows, read_scalar},
    limits::shown,
    request_error::{Part, RequestError},
};

/// Reads a plain request for a model of this signature. The element types are those of the model, the shapes are how
/// the lists nest; whether they fit is left to [`Signature::arrange`].
pub fn read_request<'a>(
    body: &'a Bytes,
    signature: &'a Signature,
) -> Result<Vec<NamedTensor<Cow<'a, str>>>, RequestError> {
    let mut cursor = Cursor::new(body);
    let mut inputs = None;
    let mut first = true;
    cursor.expect(b'{', "an object such as {\"inputs\": [[...], ...]}")?;
    while let Some(member) = cursor.next_member(&mut first)? {
        let by_name = match &*member {
            "x_test" => false,
            "inputs" => cursor.peek() == Some(b'{'),
            _ => {
                return Err(RequestError::UnknownMember {
                    part: Part::Request,
                    member: shown(&member),
                    known: "x_test, inputs",
                });
            }
        };
        let read = if by_name {
            read_named(&mut cursor, signature)?
        } else {
            vec![read_single(&mut cursor, signature)?]
        };
        if inputs.replace(read).is_some() {
            let message = "the request has its rows twice: give either 'x_test' or 'inputs', once";
            return Err(RequestError::PlainForm(message.to_owned()));
        }
    }
    cursor.finish()?;
    inputs.ok_or(RequestError::MissingMember { part: Part::Request, member: "inputs" })
}

fn read_single<'a>(
    cursor: &mut Cursor<'a>,
    signature: &'a Signature,
) -> Result<NamedTensor<Cow<'a, str>>, RequestError> {
    match signature.inputs.as_slice() {
        [spec] => {
            let tensor = read_tensor(cursor, spec, "[[...], [...]]")?;
            Ok(NamedTensor { name: Cow::Borrowed(&spec.name), tensor })
        }
        inputs => {
            let forms: Vec<String> = inputs.iter().map(|spec| format!("\"{}\": rows", spec.name)).collect();
            let message = format!(
                "the model has {} inputs: give {{\"inputs\": {{{}}}}}",
                inputs.len(),
                forms.join(", ")
            );
            Err(RequestError::PlainForm(message))
        }
    }
}

fn read_named<'a>(
    cursor: &mut Cursor<'a>,
    signature: &'a Signature,
) -> Result<Vec<NamedTensor<Cow<'a, str>>>, RequestError> {
    let mut named: Vec<NamedTensor<Cow<'a, str>>> = Vec::with_capacity(signature.inputs.len());
    let mut first = true;
    cursor.expect(b'{', "an object of inputs")?;
    while let Some(name) = cursor.next_member(&mut first)? {
        let Some(spec) = signature.input(&name) else {
            let known: Vec<&str> = signature.inputs.iter().map(|spec| spec.name.as_str()).collect();
            let message =
                format!("the model has no input '{}'; its inputs are {}", shown(&name), known.join(", "));
            return Err(RequestError::PlainForm(message));
        };
        if named.iter().any(|input| *input.name == *spec.name) {
            return Err(RequestError::Duplicate { part: Part::Input(shown(&name)) });
        }
        let tensor = read_tensor(cursor, spec, &format!("{{\"{}\": [[...], [...]]}}", spec.name))?;
        named.push(NamedTensor { name: Cow::Borrowed(&spec.name), tensor });
    }
    if named.is_empty() { Err(RequestError::NoInputs) } else { Ok(named) }
}

fn read_tensor(cursor: &mut Cursor<'_>, spec: &TensorSpec, form: &str) -> Result<Tensor, RequestError> {
    let part = || Part::Input(shown(&spec.name));
    let is_list = cursor.peek() == Some(b'[');
    let is_scalar = spec.shape.as_ref().is_some_and(Vec::is_empty);
    let read = match (is_list, is_scalar) {
        (false, true) => element_of!(spec.data_type, read_scalar(cursor)),
        (true, _) => element_of!(spec.data_type, read_rows(cursor, usual_elements(spec))),
        (false, false) => return Err(cursor.unexpected("a list of rows").into()),
    };
    let (shape, data) = read.map_err(|fault| explain_rows(part(), fault, cursor.text()))?;
    if let Some(dims) = &spec.shape
        && dims.len() == shape.len() + 1
    {
        let message = format!(
            "input '{}' takes a list of rows of shape {}, but what came has the shape {}: put one row into a list of its own, {{\"inputs\": {form}}}",
            shown(&spec.name),
            write_dims(&spec.wire_shape()),
            write_shape(&shape),
        );
        return Err(RequestError::PlainForm(message));
    }
    Tensor::new(shape, data).map_err(|error| RequestError::Shape { part: part(), error })
}

fn write_dims(dims: &[i64]) -> String {
    let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
    format!("[{}]", dims.join(","))
}

/// How many elements one row of a model has, as a hint for how much room to make.
fn usual_elements(spec: &TensorSpec) -> usize {
    let dims = spec.shape.as_deref().unwrap_or_default();
    dims.iter().fold(1, |elements: usize, dim| match dim {
        Dim::Fixed(size) => elements.saturating_mul(*size),
        Dim::Symbol(_) | Dim::Any => elements,
    })
}
