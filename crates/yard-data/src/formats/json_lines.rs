//! JSON lines: one object on each line.
//!
//! The file is read twice: once to learn which keys there are and what their values have in common, since a key may
//! come late, and once for the rows.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use self::object::{Kind, Object};
use crate::batches::{BatchReader, ReadLimits};
use crate::bytes::{self, Bytes};
use crate::error::DataError;
use crate::source::FileSource;

mod object;

const FORMAT: &str = "json_lines";

/// Reads JSON lines as a stream.
pub(crate) struct JsonLinesReader {
    lines: Lines,
    columns: Vec<(String, Kind)>,
    places: HashMap<String, usize>,
    schema: SchemaRef,
    limits: ReadLimits,
}

impl JsonLinesReader {
    pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<Self, DataError> {
        let shown = file.shown();
        Self::new(|| bytes::open(&file.path, &shown, limits.unfolded_bytes), &shown, limits)
    }

    /// Takes two streams of the same content.
    fn new(
        content: impl Fn() -> Result<Bytes, DataError>,
        shown: &str,
        limits: &ReadLimits,
    ) -> Result<Self, DataError> {
        let lines = || Ok(Lines::new(content()?, shown, limits.row_bytes));
        let columns = columns(lines()?, limits)?;
        let fields: Vec<Field> = columns.iter().map(|(name, kind)| kind.field(name)).collect();
        let places = columns.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { lines: lines()?, columns, places, schema, limits: limits.clone() })
    }
}

/// The keys in the order in which they are first seen, with the kind that all their values fit.
fn columns(mut lines: Lines, limits: &ReadLimits) -> Result<Vec<(String, Kind)>, DataError> {
    let mut columns: Vec<(String, Kind)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(object) = lines.next_object()? {
        for (name, value) in &object.0 {
            let kind = Kind::of(value).map_err(|problem| lines.bad(Some(name), problem))?;
            match places.get(name) {
                Some(place) => {
                    let seen = &mut columns[*place].1;
                    *seen = seen.join(kind).map_err(|problem| lines.bad(Some(name), problem))?;
                }
                None => {
                    places.insert(name.clone(), columns.len());
                    columns.push((name.clone(), kind));
                }
            }
        }
        if columns.len() > limits.columns {
            let (file, what) = (lines.shown, "the number of keys".to_owned());
            return Err(DataError::TooLarge {
                file,
                what,
                found: columns.len() as u64,
                limit: limits.columns as u64,
            });
        }
    }
    if columns.is_empty() {
        return Err(DataError::Empty { file: lines.shown });
    }
    Ok(columns)
}

impl BatchReader for JsonLinesReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        &self.lines.shown
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let mut builders: Vec<_> = self.columns.iter().map(|(_, kind)| kind.builder()).collect();
        let mut rows = 0;
        let mut size = 0;
        while rows < self.limits.batch_rows && size < self.limits.batch_bytes {
            let Some(object) = self.lines.next_object()? else {
                break;
            };
            rows += 1;
            size += self.lines.line.len();
            for (name, value) in &object.0 {
                let changed =
                    || self.lines.bad(Some(name), "the file was changed while it was read".to_owned());
                let place = *self.places.get(name).ok_or_else(changed)?;
                builders[place].append(value).ok_or_else(changed)?;
            }
            for builder in &mut builders {
                builder.fill_up_to(rows);
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = builders.into_iter().map(object::Builder::finish).collect::<Option<Vec<_>>>();
        let arrays = arrays.ok_or_else(|| DataError::malformed(self.name(), FORMAT, "a list is too long"))?;
        super::batch_of(&self.schema, arrays, &self.lines.shown, FORMAT).map(Some)
    }
}

impl std::fmt::Debug for JsonLinesReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JsonLinesReader").field("file", &self.lines.shown).finish_non_exhaustive()
    }
}

/// The lines of a file that are not blank, with their numbers.
struct Lines {
    content: BufReader<Bytes>,
    shown: String,
    longest: usize,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn new(content: Bytes, shown: &str, longest: usize) -> Self {
        let content = BufReader::with_capacity(64 << 10, content);
        Self { content, shown: shown.to_owned(), longest, line: Vec::new(), number: 0 }
    }

    fn next_object(&mut self) -> Result<Option<Object>, DataError> {
        loop {
            self.line.clear();
            let mut content = self.content.by_ref().take(self.longest as u64 + 1);
            let read = content
                .read_until(b'\n', &mut self.line)
                .map_err(|error| bytes::failure(&self.shown, FORMAT, error))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > self.longest {
                let what = format!("line {} in bytes", self.number);
                let (file, found, limit) = (self.shown.clone(), read as u64, self.longest as u64);
                return Err(DataError::TooLarge { file, what, found, limit });
            }
            let line =
                self.line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(&self.line);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return match serde_json::from_slice(line) {
                Ok(object) => Ok(Some(object)),
                Err(error) => Err(self.bad(None, error.to_string())),
            };
        }
    }

    fn bad(&self, column: Option<&str>, problem: String) -> DataError {
        DataError::BadRow {
            file: self.shown.clone(),
            line: self.number,
            column: column.map(str::to_owned),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
