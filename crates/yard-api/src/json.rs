//! Reading JSON that a client sent straight into typed buffers, and writing tensors as JSON.
//!
//! There is no tree of generic values and no recursion: lists nest as deep as a tensor has dimensions and no deeper,
//! objects only as the formats say.

mod cursor;
mod decimal;
mod element;
mod rows;
mod write;

pub use cursor::JsonError;
pub(crate) use cursor::{Cursor, Fault};
pub(crate) use element::{ElementFault, element_of};
pub(crate) use rows::{DataFault, read_data, read_rows, read_scalar, skip_data};
pub(crate) use write::{Unwritable, write_flat, write_nested, write_string};
