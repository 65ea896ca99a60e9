//! Why a request cannot be understood.

use std::fmt;

use yard_types::{Coded, DataType, ErrorCode, ModelName, TensorError, UnknownDataType};

use crate::json::JsonError;

/// Which part of a request is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The request as a whole.
    Request,
    /// The input of this name.
    Input(String),
    /// The input at this place, counted from 1, whose name is not known.
    UnnamedInput(usize),
    /// The requested output of this name.
    Output(String),
    /// The requested output at this place, counted from 1, whose name is not known.
    UnnamedOutput(usize),
}

/// Why a request cannot be understood. Each message says which part is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum RequestError {
    #[error("the request is not the JSON that belongs here: {0}")]
    Json(JsonError),
    #[error("{part} has no member '{member}'")]
    MissingMember { part: Part, member: &'static str },
    #[error("{part} has the member '{member}' twice")]
    DuplicateMember { part: Part, member: String },
    #[error("{part} has an unknown member '{member}'; known are {known}")]
    UnknownMember { part: Part, member: String, known: &'static str },
    #[error("{part} has an unknown parameter '{parameter}'; known are {known}")]
    UnknownParameter { part: Part, parameter: String, known: &'static str },
    #[error("parameter '{parameter}' of {part} must be {expected}")]
    ParameterValue { part: Part, parameter: String, expected: &'static str },
    #[error("parameter '{parameter}' of {part} is not supported: {advice}")]
    UnsupportedParameter { part: Part, parameter: String, advice: &'static str },
    #[error("{part} is too much: a request has at most {limit} {what}")]
    TooMany { part: Part, what: &'static str, limit: usize },
    #[error("the {what} of {part} is longer than {limit} bytes")]
    TooLong { part: Part, what: &'static str, limit: usize },
    #[error("the name of {part} is empty")]
    EmptyName { part: Part },
    #[error("{part} is given twice")]
    Duplicate { part: Part },
    #[error("the request has no inputs")]
    NoInputs,
    #[error("the data type of {part} is not known: {error}")]
    DataType { part: Part, error: UnknownDataType },
    #[error("the shape of {part} holds {value}: each dimension is a whole number from 0 to {}", i64::MAX)]
    Dimension { part: Part, value: String },
    #[error("the shape of {part} cannot be used: {error}")]
    Shape { part: Part, error: TensorError },
    #[error("{part} of shape {shape} takes {expected} elements, got {got}")]
    ElementCount { part: Part, shape: String, expected: usize, got: String },
    #[error(
        "the data of {part}, row {row}: {problem}; give one flat list, or lists nested as its shape {shape} says"
    )]
    Nesting { part: Part, shape: String, row: usize, problem: String },
    #[error("the rows of {part} do not form a tensor: {problem}")]
    Rows { part: Part, problem: String },
    #[error("element {index} of {part} is {value}, which {problem}")]
    Element { part: Part, index: usize, value: String, problem: &'static str },
    #[error("{part} is {data_type}, which JSON cannot carry: send it as binary data")]
    HalfInJson { part: Part, data_type: DataType },
    #[error("{part} has both 'data' and binary data: give one of them")]
    TwoKindsOfData { part: Part },
    #[error("{part} has binary data, but the header Inference-Header-Content-Length is missing")]
    BinaryWithoutHeader { part: Part },
    #[error("Inference-Header-Content-Length must be the length of the JSON part in bytes, at most {body}")]
    HeaderLength { body: usize },
    #[error("{part} of shape {shape} and type {data_type} takes {expected} bytes, got {got}")]
    ByteCount { part: Part, shape: String, data_type: DataType, expected: usize, got: usize },
    #[error("the binary data of {part} goes on for {expected} bytes, but the body has {got} left")]
    BinaryTooShort { part: Part, expected: u64, got: usize },
    #[error("{got} bytes follow the binary data of the last input")]
    BinaryTooLong { got: usize },
    #[error(
        "string {index} in the binary data of {part} is cut off: each is a 4-byte little-endian length and its bytes"
    )]
    StringCutOff { part: Part, index: usize },
    #[error("the contents of {part} must be given as {expected}, the field for {data_type}")]
    Contents { part: Part, data_type: DataType, expected: &'static str },
    #[error("the request has {inputs} inputs without contents, but {got} raw_input_contents")]
    RawContents { inputs: usize, got: usize },
    #[error("unexpected inference output '{output}' for model '{model}'")]
    UnexpectedOutput { model: ModelName, output: String },
    #[error(
        "output '{output}' is {data_type}, which JSON cannot carry: ask for it with \"binary_data\": true"
    )]
    OutputNeedsBinary { output: String, data_type: DataType },
    #[error("output '{output}' is {data_type}: classification needs numbers")]
    NotClassifiable { output: String, data_type: DataType },
    /// The plain surface: the message shows the right form.
    #[error("{0}")]
    PlainForm(String),
}

impl Coded for RequestError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedParameter { .. } => ErrorCode::Unsupported,
            _ => ErrorCode::InvalidArgument,
        }
    }
}

impl From<JsonError> for RequestError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => formatter.write_str("the request"),
            Self::Input(name) => write!(formatter, "input '{name}'"),
            Self::UnnamedInput(place) => write!(formatter, "input number {place}"),
            Self::Output(name) => write!(formatter, "requested output '{name}'"),
            Self::UnnamedOutput(place) => write!(formatter, "requested output number {place}"),
        }
    }
}
