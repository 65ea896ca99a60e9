//! ONNX files, read within bounds: signatures, operators, external data, weights, row-joining, building and rewriting.
//!
//! What is read may come from anyone. Reading never panics, never takes much more memory than the file has bytes, and
//! refuses references that leave the package as well as weights that are declared but not there, before any engine sees
//! the file. This crate runs no model and knows no engine.

#![warn(missing_docs)]

mod build;
mod error;
mod external;
mod joining;
mod labels;
mod limits;
mod model;
mod operators;
pub mod proto;
mod signature;
mod tensors;
mod wire;
mod zip_map;

pub use build::{GraphBuilder, attribute};
pub use error::OnnxError;
pub use external::ExternalReference;
pub use joining::MixedRows;
pub use model::{Model, ReadLimits};
pub use operators::OperatorUse;
pub use tensors::WeightTensor;
