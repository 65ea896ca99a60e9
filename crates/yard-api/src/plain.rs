//! The plain surface: rows in, predictions out.
//!
//! `{"x_test": rows}` or `{"inputs": rows}` feeds the single input of a model, `{"inputs": {name: rows}}` several. The
//! answer is `{"y_pred": rows}`, or `{"y_pred": {name: rows}}` of a model with several outputs.

mod describe;
mod request;
mod response;

pub use describe::{Description, TensorDescription, describe};
pub use request::read_request;
pub use response::write_response;

#[cfg(test)]
mod tests;
