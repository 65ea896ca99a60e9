//! One reader for each format.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use crate::error::DataError;

mod arrays;
pub(crate) mod csv;
pub(crate) mod idx;
pub(crate) mod image_folder;
pub(crate) mod json_lines;
pub(crate) mod npy;
pub(crate) mod npz;
pub(crate) mod parquet;
mod zip;

/// A batch of columns that should be equally long and of the schema's types.
fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    shown: &str,
    format: &'static str,
) -> Result<RecordBatch, DataError> {
    RecordBatch::try_new(SchemaRef::clone(schema), columns)
        .map_err(|error| DataError::malformed(shown, format, error.to_string()))
}

#[cfg(test)]
mod garbage_tests;
