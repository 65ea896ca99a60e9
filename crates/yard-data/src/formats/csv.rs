//! CSV: text with a delimiter, quotes and a header. Every column comes as text, empty fields as missing.

use std::io::Read;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use csv::{ByteRecord, ReaderBuilder};

use self::shape::Shape;
use crate::batches::{BatchReader, ReadLimits};
use crate::bytes::{self, Bytes, Ration, Rationed};
use crate::error::DataError;
use crate::source::FileSource;

mod shape;

/// How much of the start is looked at to find the delimiter.
const LOOKED_AT: u64 = 64 << 10;
const BUFFER: usize = 64 << 10;

/// Reads CSV as a stream of text columns.
pub(crate) struct CsvReader {
    shown: String,
    reader: csv::Reader<Rationed<Bytes>>,
    /// Filled up before each record: a row without an end must not fill the memory.
    ration: Ration,
    /// The first row, where there is no header.
    first: Option<ByteRecord>,
    schema: SchemaRef,
    limits: ReadLimits,
}

impl CsvReader {
    pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<Self, DataError> {
        let shown = file.shown();
        let content = bytes::open(&file.path, &shown, limits.unfolded_bytes)?;
        Self::new(content, shown, limits)
    }

    pub(crate) fn new(mut content: Bytes, shown: String, limits: &ReadLimits) -> Result<Self, DataError> {
        let mut start = Vec::new();
        content
            .by_ref()
            .take(LOOKED_AT)
            .read_to_end(&mut start)
            .map_err(|error| bytes::failure(&shown, "csv", error))?;
        let skipped = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let delimiter = shape::delimiter(&start[skipped..]);
        let start = std::io::Cursor::new(start.split_off(skipped));
        let (rationed, ration) =
            Rationed::new(Box::new(start.chain(content)) as Bytes, limits.row_bytes as u64 + BUFFER as u64);
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(rationed);
        let schema = Arc::new(Schema::empty());
        let mut opened = Self { shown, reader, ration, first: None, schema, limits: limits.clone() };
        let mut first = ByteRecord::new();
        if !opened.read(&mut first)? {
            return Err(DataError::Empty { file: opened.shown });
        }
        let Shape { names, has_header } = shape::names(&first, &opened.shown, opened.limits.columns)?;
        if !has_header {
            opened.first = Some(first);
        }
        let fields = names.into_iter().map(|name| Field::new(name, DataType::Utf8, true));
        opened.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(opened)
    }

    /// Whether there was another record.
    fn read(&mut self, record: &mut ByteRecord) -> Result<bool, DataError> {
        self.ration.refill();
        let line = self.reader.position().line();
        self.reader.read_byte_record(record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => match bytes::failure(&self.shown, "csv", error) {
                DataError::TooLarge { file, found, limit, .. } => {
                    let what = format!("the row at line {line} in bytes (is a quote not closed?)");
                    DataError::TooLarge { file, what, found, limit }
                }
                other => other,
            },
            other => DataError::malformed(&self.shown, "csv", format!("{other:?}")),
        })
    }

    fn bad_row(&self, record: &ByteRecord, column: Option<usize>, problem: String) -> DataError {
        DataError::BadRow {
            file: self.shown.clone(),
            line: record.position().map_or(0, csv::Position::line),
            column: column.map(|column| self.schema.field(column).name().clone()),
            problem,
        }
    }

    /// Puts the fields behind those of the rows before; gives how many bytes there were.
    fn append(&self, record: &ByteRecord, builders: &mut [StringBuilder]) -> Result<usize, DataError> {
        if record.len() != builders.len() {
            let problem = format!(
                "the row has {} fields, the header has {}; quote fields that hold the delimiter",
                record.len(),
                builders.len()
            );
            return Err(self.bad_row(record, None, problem));
        }
        for (number, (field, builder)) in record.iter().zip(builders).enumerate() {
            if field.is_empty() {
                builder.append_null();
                continue;
            }
            let text = std::str::from_utf8(field).map_err(|_| {
                self.bad_row(
                    record,
                    Some(number),
                    "the field is not UTF-8 text; save the file as UTF-8".to_owned(),
                )
            })?;
            builder.append_value(text);
        }
        Ok(record.as_slice().len())
    }
}

impl BatchReader for CsvReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        &self.shown
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let mut builders: Vec<StringBuilder> =
            self.schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let mut record = ByteRecord::new();
        let mut rows = 0;
        let mut size = 0;
        while rows < self.limits.batch_rows && size < self.limits.batch_bytes {
            if let Some(first) = self.first.take() {
                size += self.append(&first, &mut builders)?;
            } else if self.read(&mut record)? {
                size += self.append(&record, &mut builders)?;
            } else {
                break;
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        super::batch_of(&self.schema, arrays, &self.shown, "csv").map(Some)
    }
}

impl std::fmt::Debug for CsvReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CsvReader").field("file", &self.shown).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
