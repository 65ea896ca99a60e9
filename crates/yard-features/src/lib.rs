//! Preparation of columns for a model: fitted on the training rows, applied to tables, written into the model's graph.
//!
//! [`Preparation::fit`] learns from the training rows alone what is to be done with each column: what takes the place
//! of missing numbers, how numbers are scaled, which categories there are. [`Preparation::apply`] does it to rows of a
//! [`Table`](yard_data::Table), [`Preparation::emit`] writes the same into an ONNX graph, operation by operation in the
//! same 32-bit arithmetic, so that training and serving cannot differ: serving takes raw columns.
//! [`LabelEncoding`] does the same for what is to be foretold.
//!
//! It trains nothing, reads no files, and knows neither engines nor the layers that come after it.

#![warn(missing_docs)]

mod error;
mod label;
mod matrix;
mod options;
mod preparation;

pub use error::FeatureError;
pub use label::{LabelEncoding, Targets};
pub use matrix::Matrix;
pub use options::{InputLayout, MissingNumbers, NumberScaling, PreparationOptions};
pub use preparation::{FEATURES_INPUT, Preparation, Remark, check_input_name};
