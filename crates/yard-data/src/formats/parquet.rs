//! Apache Parquet: columns with types of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use fs_err::File;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::batches::{BatchReader, ReadLimits};
use crate::error::DataError;
use crate::source::FileSource;

const FORMAT: &str = "parquet";

/// Reads Parquet as a stream, with the types of the file.
pub(crate) struct ParquetReader {
    shown: String,
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    rows: u64,
}

impl ParquetReader {
    pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<Self, DataError> {
        let shown = file.shown();
        let opened = File::open(&file.path).map_err(|error| DataError::read(&shown, error))?;
        let builder = guarded(&shown, || {
            ParquetRecordBatchReaderBuilder::try_new(opened.into_parts().0).map_err(|error| error.to_string())
        })?;
        let metadata = builder.metadata();
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        let bytes: i64 = metadata.row_groups().iter().map(|group| group.total_byte_size().max(0)).sum();
        let row_bytes = usize::try_from(bytes as u64 / rows.max(1)).unwrap_or(usize::MAX);
        if row_bytes > limits.row_bytes {
            let (what, limit) = ("a row in bytes".to_owned(), limits.row_bytes as u64);
            return Err(DataError::TooLarge { file: shown, what, found: row_bytes as u64, limit });
        }
        // What a program left there about itself is none of our business.
        let schema = Arc::new(Schema::new(builder.schema().fields().clone()));
        if schema.fields().len() > limits.columns {
            let (found, limit) = (schema.fields().len() as u64, limits.columns as u64);
            return Err(DataError::TooLarge {
                file: shown,
                what: "the number of columns".to_owned(),
                found,
                limit,
            });
        }
        let mut names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(DataError::DuplicateColumn { file: shown, column: twice[0].clone() });
        }
        let batch_rows = limits.rows_of(row_bytes);
        let reader = guarded(&shown, || {
            builder.with_batch_size(batch_rows).build().map_err(|error| error.to_string())
        })?;
        Ok(Self { shown, reader, schema, rows })
    }
}

impl BatchReader for ParquetReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        &self.shown
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let reader = &mut self.reader;
        let batch = guarded(&self.shown, || reader.next().transpose().map_err(|error| error.to_string()))?;
        let Some(batch) = batch else { return Ok(None) };
        super::batch_of(&self.schema, batch.columns().to_vec(), &self.shown, FORMAT).map(Some)
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.rows)
    }
}

/// The decoder is large and not ours: should a broken file make it panic, it is still only a broken file.
fn guarded<T>(shown: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, DataError> {
    let done =
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its content is broken".to_owned()));
    done.map_err(|problem| DataError::malformed(shown, FORMAT, problem))
}

impl std::fmt::Debug for ParquetReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ParquetReader").field("file", &self.shown).finish_non_exhaustive()
    }
}
