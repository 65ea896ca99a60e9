//! Arrays of numbers as they lie in IDX and NumPy files: one row after the other, each of the same size.

use std::io::Read;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use self::element::Element;
use crate::batches::{BatchReader, ReadLimits};
use crate::bytes::{self, Bytes};
use crate::error::DataError;
use crate::typed::arrays::{image_array, image_field};

pub(super) mod element;

/// What the start of a file says of the array behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    /// Outermost first; the first counts the rows.
    pub(super) shape: Vec<u64>,
}

/// An array of which the rows are still to be read.
pub(crate) struct ArrayStream {
    bytes: Bytes,
    element: Element,
    rows: u64,
    row_shape: Vec<usize>,
    row_bytes: usize,
}

/// How an array becomes columns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// One value in each row.
    Single(String),
    /// A list of values in each row, each of them a column.
    Spread(Vec<String>),
    /// A block of numbers in each row.
    Block(String, Vec<usize>),
}

/// Reads one array, or two side by side: rows and their labels.
pub(crate) struct ArraysReader {
    shown: String,
    format: &'static str,
    arrays: Vec<(ArrayStream, Layout)>,
    schema: SchemaRef,
    rows: u64,
    rows_read: u64,
    batch_rows: usize,
}

impl ArrayStream {
    /// Refuses arrays whose rows would not fit into the limits.
    pub(super) fn new(
        header: Header,
        bytes: Bytes,
        shown: &str,
        format: &'static str,
        limits: &ReadLimits,
    ) -> Result<Self, DataError> {
        let Some((rows, row_shape)) = header.shape.split_first() else {
            return Err(DataError::malformed(
                shown,
                format,
                "it holds a single value, not an array with rows",
            ));
        };
        let size = header.element.size() as u64;
        let row_bytes = row_shape.iter().try_fold(size, |bytes, size| bytes.checked_mul(*size));
        let row_bytes = row_bytes.unwrap_or(u64::MAX);
        // A byte becomes a number of four or eight bytes, so that is what the limit is held against.
        let held = (row_bytes / size.max(1)).saturating_mul(8).max(row_bytes);
        if held > limits.row_bytes as u64 {
            let (what, limit) = ("a row in bytes".to_owned(), limits.row_bytes as u64);
            return Err(DataError::TooLarge { file: shown.to_owned(), what, found: held, limit });
        }
        if row_bytes == 0 {
            return Err(DataError::malformed(shown, format, "its rows have no values (a dimension is 0)"));
        }
        // All sizes divide a number below the limit, so they fit.
        let row_shape = row_shape.iter().map(|size| *size as usize).collect();
        Ok(Self { bytes, element: header.element, rows: *rows, row_shape, row_bytes: row_bytes as usize })
    }

    fn layout(&self, name: &str, limits: &ReadLimits) -> Layout {
        match self.row_shape.as_slice() {
            [] => Layout::Single(name.to_owned()),
            // One value, in brackets of its own.
            [1] => Layout::Single(name.to_owned()),
            [values] if *values <= limits.columns => {
                Layout::Spread((0..*values).map(|number| format!("{name}_{number}")).collect())
            }
            // Pictures without a dimension for colours have one channel.
            [height, width] => Layout::Block(name.to_owned(), vec![1, *height, *width]),
            shape => Layout::Block(name.to_owned(), shape.to_vec()),
        }
    }

    fn read(&mut self, rows: usize) -> std::io::Result<Vec<u8>> {
        let wanted = rows * self.row_bytes;
        let mut bytes = Vec::new();
        // Grows with what is there: a file that declares more than it holds costs what it holds.
        self.bytes.by_ref().take(wanted as u64).read_to_end(&mut bytes)?;
        if bytes.len() < wanted {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl ArraysReader {
    /// `labels` goes by the name `label`.
    pub(super) fn new(
        name: &str,
        rows: ArrayStream,
        labels: Option<ArrayStream>,
        shown: String,
        format: &'static str,
        limits: &ReadLimits,
    ) -> Result<Self, DataError> {
        let count = rows.rows;
        if let Some(labels) = &labels
            && labels.rows != count
        {
            let problem = format!("there are {count} rows but {} labels; they must be as many", labels.rows);
            return Err(DataError::malformed(&shown, format, problem));
        }
        let mut arrays = Vec::new();
        let mut fields = Vec::new();
        let mut row_size = 0;
        for (name, stream) in [(name, Some(rows)), ("label", labels)] {
            let Some(stream) = stream else { continue };
            let layout = stream.layout(name, limits);
            let kind = if stream.element.is_text() { DataType::Utf8 } else { DataType::Float64 };
            match &layout {
                Layout::Single(name) => fields.push(Field::new(name, kind, true)),
                Layout::Spread(names) => {
                    fields.extend(names.iter().map(|name| Field::new(name, kind.clone(), true)));
                }
                Layout::Block(..) if stream.element.is_text() => {
                    let what = "text in an array of more than two dimensions".to_owned();
                    return Err(DataError::Unsupported { file: shown, what });
                }
                Layout::Block(name, shape) => fields.push(image_field(name, shape)),
            }
            row_size += stream.row_bytes.max(8 * stream.row_bytes / stream.element.size());
            arrays.push((stream, layout));
        }
        let schema = Arc::new(Schema::new(fields));
        let batch_rows = limits.rows_of(row_size);
        Ok(Self { shown, format, arrays, schema, rows: count, rows_read: 0, batch_rows })
    }
}

impl BatchReader for ArraysReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        &self.shown
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let left = self.rows - self.rows_read;
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(self.batch_rows);
        if rows == 0 {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (stream, layout) in &mut self.arrays {
            let bytes = stream.read(rows).map_err(|error| bytes::failure(&self.shown, self.format, error))?;
            let values = bytes.chunks_exact(stream.element.size());
            let element = stream.element;
            match layout {
                Layout::Single(_) => columns.push(column(element, values)),
                Layout::Spread(names) => {
                    let values: Vec<&[u8]> = values.collect();
                    for place in 0..names.len() {
                        columns
                            .push(column(element, values.iter().skip(place).step_by(names.len()).copied()));
                    }
                }
                Layout::Block(_, shape) => {
                    let values = values.map(|bytes| element.number(bytes) as f32).collect();
                    let images = image_array(values, shape.iter().product());
                    columns.push(images.ok_or_else(|| {
                        DataError::malformed(&self.shown, self.format, "a row has too many values")
                    })?);
                }
            }
        }
        self.rows_read += rows as u64;
        super::batch_of(&self.schema, columns, &self.shown, self.format).map(Some)
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.rows)
    }
}

impl std::fmt::Debug for ArraysReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ArraysReader").field("file", &self.shown).finish_non_exhaustive()
    }
}

fn column<'a>(element: Element, values: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
    if element.is_text() {
        Arc::new(StringArray::from_iter_values(values.map(|bytes| element.text(bytes))))
    } else {
        Arc::new(Float64Array::from_iter_values(values.map(|bytes| element.number(bytes))))
    }
}
