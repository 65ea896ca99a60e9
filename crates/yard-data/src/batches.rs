//! Rows as a stream of Arrow record batches.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::error::DataError;

/// Rows, some thousands at a time: whoever reads holds one batch in memory, however long the data are.
///
/// What an opened file gives is as its format has it (all text for CSV). [`TypedReader`](crate::TypedReader) turns it
/// into the types that a [`Schema`](crate::Schema) says.
pub trait BatchReader: fmt::Debug + Send {
    /// The columns of every batch.
    fn schema(&self) -> SchemaRef;

    /// The next rows, at least one; `None` at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError>;

    /// How messages call what is read.
    fn name(&self) -> &str {
        "the data"
    }

    /// How many rows there are in all, where the format says so beforehand.
    fn total_rows(&self) -> Option<u64> {
        None
    }
}

/// Bounds that keep memory in hand whatever a file says of itself.
#[derive(Debug, Clone)]
pub struct ReadLimits {
    /// Most rows of a batch. Default 8192.
    pub batch_rows: usize,
    /// Bytes at which a batch ends early. Default 16 MiB.
    pub batch_bytes: usize,
    /// Most bytes of one row (a line, an image). Default 64 MiB.
    pub row_bytes: usize,
    /// Most columns. Default 20,000.
    pub columns: usize,
    /// Most bytes that a compressed file may unfold to. Default 256 GiB.
    pub unfolded_bytes: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            batch_rows: 8192,
            batch_bytes: 16 << 20,
            row_bytes: 64 << 20,
            columns: 20_000,
            unfolded_bytes: 256 << 30,
        }
    }
}

impl ReadLimits {
    /// How many rows of that size make a batch; never none.
    pub(crate) fn rows_of(&self, row_bytes: usize) -> usize {
        (self.batch_bytes / row_bytes.max(1)).clamp(1, self.batch_rows.max(1))
    }
}
