//! Writing the answer to an inference request, straight from the tensors.

use std::borrow::Cow;

use yard_types::{Coded, DataType, ErrorCode, Signature, Tensor, TensorData};

use super::{
    OutputForm, ParameterValue,
    binary::{append_raw, raw_size},
    classification::classify,
};
use crate::{
    json::{Unwritable, write_flat, write_string},
    limits::shown,
};

/// The answer to an inference request.
#[derive(Debug, Clone, PartialEq)]
pub struct InferResponse<'a> {
    /// The model that answered.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// The id that the request gave itself.
    pub id: Option<&'a str>,
    /// What the answer says about itself.
    pub parameters: Vec<(&'a str, ParameterValue<'a>)>,
    /// The outputs, in the order in which they were asked for.
    pub outputs: Vec<InferOutput<'a>>,
}

/// One output of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct InferOutput<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the model gave.
    pub tensor: Cow<'a, Tensor>,
    /// Written as binary data.
    pub binary: bool,
}

/// A written answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseBody {
    /// The length of the JSON part, which belongs into the header `Inference-Header-Content-Length`; `None` when all of
    /// the body is JSON.
    pub header_length: Option<usize>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why an answer cannot be written as the request asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ResponseError {
    #[error(
        "element {index} of output '{output}' is NaN or infinite, which JSON cannot carry: ask for it as binary data (V2, \"binary_data\": true)"
    )]
    NotFinite { output: String, index: usize },
    #[error(
        "element {index} of output '{output}' is not UTF-8 text, which JSON cannot carry: ask for it as binary data (V2, \"binary_data\": true)"
    )]
    NotText { output: String, index: usize },
    #[error(
        "output '{output}' is {data_type}, which JSON cannot carry: ask for it as binary data (V2, \"binary_data\": true)"
    )]
    NeedsBinary { output: String, data_type: DataType },
    #[error("output '{output}' cannot be classified: {problem}")]
    Classification { output: String, problem: &'static str },
    #[error("a string of output '{output}' is longer than binary data can say")]
    StringTooLong { output: String },
    #[error("the model gave {got} outputs, its signature has {expected}")]
    OutputCount { expected: usize, got: usize },
}

impl Coded for ResponseError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::OutputCount { .. } => ErrorCode::Internal,
            // Each of these goes away when the caller asks in another form.
            _ => ErrorCode::InvalidArgument,
        }
    }
}

impl ResponseError {
    #[cold]
    pub(crate) fn unwritable(name: &str, tensor: &Tensor, unwritable: Unwritable) -> Self {
        let (output, index) = (shown(name), unwritable.index);
        match tensor.data() {
            TensorData::Bytes(_) => Self::NotText { output, index },
            _ => Self::NotFinite { output, index },
        }
    }
}

impl<'a> InferOutput<'a> {
    /// Puts what the model gave into the forms asked for. `tensors` stand in the order of the signature.
    pub fn select(
        signature: &'a Signature,
        tensors: &'a [Tensor],
        forms: &[OutputForm],
    ) -> Result<Vec<Self>, ResponseError> {
        let mut outputs = Vec::with_capacity(forms.len());
        for OutputForm { index, binary, classification } in forms {
            let (Some(spec), Some(tensor)) = (signature.outputs.get(*index), tensors.get(*index)) else {
                let expected = signature.outputs.len();
                return Err(ResponseError::OutputCount { expected, got: tensors.len() });
            };
            let tensor = match classification {
                None => Cow::Borrowed(tensor),
                Some(classes) => {
                    let classified = classify(tensor, *classes, spec.labels.as_deref());
                    let output = || shown(&spec.name);
                    Cow::Owned(
                        classified
                            .map_err(|problem| ResponseError::Classification { output: output(), problem })?,
                    )
                }
            };
            outputs.push(Self { name: &spec.name, tensor, binary: *binary });
        }
        Ok(outputs)
    }
}

impl InferResponse<'_> {
    /// Writes the answer: JSON, and after it the outputs that were asked for as binary data.
    pub fn write(&self) -> Result<ResponseBody, ResponseError> {
        let mut bytes = Vec::with_capacity(self.size_estimate());
        bytes.extend_from_slice(b"{\"model_name\":");
        write_string(self.model_name, &mut bytes);
        bytes.extend_from_slice(b",\"model_version\":");
        write_string(self.model_version, &mut bytes);
        if let Some(id) = self.id {
            bytes.extend_from_slice(b",\"id\":");
            write_string(id, &mut bytes);
        }
        if !self.parameters.is_empty() {
            bytes.extend_from_slice(b",\"parameters\":");
            write_parameters(&self.parameters, &mut bytes);
        }
        bytes.extend_from_slice(b",\"outputs\":[");
        for (place, output) in self.outputs.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            output.write_json(&mut bytes)?;
        }
        bytes.extend_from_slice(b"]}");
        let has_binary = self.outputs.iter().any(|output| output.binary);
        let header_length = has_binary.then_some(bytes.len());
        for output in self.outputs.iter().filter(|output| output.binary) {
            append_raw(output.tensor.data(), &mut bytes);
        }
        Ok(ResponseBody { header_length, bytes })
    }

    /// Room for the usual answer, so that it is seldom moved while it grows.
    fn size_estimate(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| {
            let data = output.tensor.data();
            // A float takes about a dozen characters.
            96 + output.name.len() + if output.binary { 4 * data.len() } else { 12 * data.len() }
        });
        96 + self.model_name.len() + self.id.map_or(0, str::len) + outputs.sum::<usize>()
    }
}

impl InferOutput<'_> {
    fn write_json(&self, bytes: &mut Vec<u8>) -> Result<(), ResponseError> {
        let data_type = self.tensor.data_type();
        bytes.extend_from_slice(b"{\"name\":");
        write_string(self.name, bytes);
        bytes.extend_from_slice(b",\"datatype\":\"");
        bytes.extend_from_slice(data_type.as_str().as_bytes());
        bytes.extend_from_slice(b"\",\"shape\":[");
        for (place, size) in self.tensor.shape().iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(itoa::Buffer::new().format(*size).as_bytes());
        }
        bytes.push(b']');
        if self.binary {
            let size = raw_size(self.tensor.data());
            let size = size.ok_or_else(|| ResponseError::StringTooLong { output: shown(self.name) })?;
            bytes.extend_from_slice(b",\"parameters\":{\"binary_data_size\":");
            bytes.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
            bytes.push(b'}');
        } else {
            if matches!(data_type, DataType::Fp16 | DataType::Bf16) {
                return Err(ResponseError::NeedsBinary { output: shown(self.name), data_type });
            }
            bytes.extend_from_slice(b",\"data\":");
            write_flat(self.tensor.data(), bytes)
                .map_err(|unwritable| ResponseError::unwritable(self.name, &self.tensor, unwritable))?;
        }
        bytes.push(b'}');
        Ok(())
    }
}

fn write_parameters(parameters: &[(&str, ParameterValue<'_>)], bytes: &mut Vec<u8>) {
    bytes.push(b'{');
    for (place, (name, value)) in parameters.iter().enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        write_string(name, bytes);
        bytes.push(b':');
        match value {
            ParameterValue::Bool(true) => bytes.extend_from_slice(b"true"),
            ParameterValue::Bool(false) => bytes.extend_from_slice(b"false"),
            ParameterValue::Integer(value) => {
                bytes.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes());
            }
            ParameterValue::Float(value) if value.is_finite() => {
                bytes.extend_from_slice(zmij::Buffer::new().format_finite(*value).as_bytes());
            }
            ParameterValue::Float(_) => bytes.extend_from_slice(b"null"),
            ParameterValue::Text(text) => write_string(text, bytes),
        }
    }
    bytes.push(b'}');
}

#[cfg(test)]
mod tests;
