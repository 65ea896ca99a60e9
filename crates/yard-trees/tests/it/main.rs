//! The crate from outside: against scikit-learn, against ONNX Runtime, stopped and resumed, and with bad input.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as the tests do")]

mod data;
mod graphs;
mod reference;
mod refusals;
mod repeating;
