//! What is said about elements that cannot be read.

use std::ops::Range;

use crate::{
    json::DataFault,
    limits::shown_bytes,
    request_error::{Part, RequestError},
};

/// What the elements belong to.
pub(crate) struct DataContext<'c> {
    pub(crate) part: Part,
    pub(crate) shape: &'c [usize],
    pub(crate) expected: usize,
    /// The whole text that was read.
    pub(crate) text: &'c [u8],
}

impl DataContext<'_> {
    /// The error for data of a known shape.
    #[cold]
    pub(crate) fn explain(self, fault: DataFault) -> RequestError {
        let Self { part, shape, expected, text } = self;
        let shape = write_shape(shape);
        let problem = match fault {
            DataFault::Json(error) => return error.into(),
            DataFault::Value { index, start, end, problem } => {
                return element(part, text, index, start..end, problem);
            }
            DataFault::TooFew { got } => {
                return RequestError::ElementCount { part, shape, expected, got: got.to_string() };
            }
            DataFault::TooMany => {
                return RequestError::ElementCount { part, shape, expected, got: "more".to_owned() };
            }
            DataFault::TooDeep { .. } => "a list stands where an element belongs".to_owned(),
            DataFault::TooShallow { .. } => "an element stands where a list belongs".to_owned(),
            DataFault::Length { expected, got, .. } => length_problem(expected, got),
        };
        let row = match fault {
            DataFault::TooDeep { row } | DataFault::TooShallow { row } | DataFault::Length { row, .. } => row,
            _ => 0,
        };
        RequestError::Nesting { part, shape, row, problem }
    }
}

/// The error for rows, whose shape is only their nesting.
#[cold]
pub(crate) fn explain_rows(part: Part, fault: DataFault, text: &[u8]) -> RequestError {
    let problem = match fault {
        DataFault::Json(error) => return error.into(),
        DataFault::Value { index, start, end, problem } => {
            return element(part, text, index, start..end, problem);
        }
        DataFault::TooFew { .. } | DataFault::TooMany => "the number of elements does not fit".to_owned(),
        DataFault::TooDeep { row } => format!("row {row} has a list where others have an element"),
        DataFault::TooShallow { row } => format!("row {row} has an element where others have a list"),
        DataFault::Length { row, depth, expected, got } => {
            let inside = if depth <= 1 { "" } else { ", inside it," };
            format!("row {row}{inside} {}, as the first one has", length_problem(expected, got))
        }
    };
    RequestError::Rows { part, problem }
}

fn element(part: Part, text: &[u8], index: usize, span: Range<usize>, problem: &'static str) -> RequestError {
    let value = shown_bytes(text.get(span).unwrap_or_default());
    RequestError::Element { part, index, value, problem }
}

fn length_problem(expected: usize, got: Option<usize>) -> String {
    match got {
        Some(got) => format!("has {got} elements instead of {expected}"),
        None => format!("has more than {expected} elements"),
    }
}

/// A shape without spaces, as clients of the Open Inference Protocol print it.
pub(crate) fn write_shape(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(","))
}
