//! One column, value by value.

use std::fmt;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::DataType;

use super::StatisticsOptions;
use super::cells::{Cell, cell_of, hash_of};
use super::distinct::{DistinctCount, DistinctCounter};
use super::frequent::{FrequentValues, Label};
use super::hash::{hash_bytes, hash_number};
use super::numbers::{NumberBuilder, NumberStatistics};
use crate::error::{DataError, shortened};

/// What the values of a column are, told from all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Nothing but missing values.
    Empty,
    /// Numbers only, be it as text.
    Number,
    /// Words; numbers may be among them.
    Text,
    /// Blocks of numbers (images), lists or bytes.
    Block,
}

/// What is known of one column. `rows` = `missing` + `infinite` + `finite` + `words` + `blocks`.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStatistics {
    /// As it stands in the data.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// How many rows were seen.
    pub rows: u64,
    /// Rows without a value, with NaN, or with a text such as `NA` that says so.
    pub missing: u64,
    /// Rows with an infinite number.
    pub infinite: u64,
    /// Rows with a finite number.
    pub finite: u64,
    /// Rows with text that is no number.
    pub words: u64,
    /// Rows with a block, a list or bytes.
    pub blocks: u64,
    /// How many different values there are; not told for blocks.
    pub distinct: Option<DistinctCount>,
    /// Of the finite numbers; for blocks of numbers of all their elements.
    pub numbers: Option<NumberStatistics>,
    /// Of the words, in characters.
    pub lengths: Option<NumberStatistics>,
    /// The most frequent values first: all where `values_complete`, else at most 100 that surely are frequent.
    pub values: Vec<ValueCount>,
    /// By how much the counts in `values` may be too low.
    pub values_error: u64,
    /// Whether `values` holds every value with its exact count.
    pub values_complete: bool,
    /// The first word with its row (from 1), where most values are numbers.
    pub stray_word: Option<(u64, String)>,
}

/// A value with the number of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCount {
    /// As it was first seen; its first 256 bytes.
    pub value: String,
    /// At least as many rows have it.
    pub count: u64,
}

impl ColumnStatistics {
    /// Rows that have a value.
    pub const fn count(&self) -> u64 {
        self.rows - self.missing
    }

    /// The share of rows without a value, 0 to 1.
    pub fn missing_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.missing as f64 / self.rows as f64 }
    }
}

impl ColumnKind {
    /// As it stands in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Number => "number",
            Self::Text => "text",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Values that are listed where not all are.
const LISTED: usize = 100;

#[derive(Debug)]
pub(super) struct ColumnBuilder {
    name: String,
    rows: u64,
    missing: u64,
    infinite: u64,
    finite: u64,
    words: u64,
    blocks: u64,
    numbers: NumberBuilder,
    lengths: NumberBuilder,
    distinct: DistinctCounter,
    frequent: FrequentValues,
    first_word: Option<(u64, String)>,
    /// What one batch adds to `numbers` and `lengths`; kept for its memory.
    new_numbers: Vec<f64>,
    new_lengths: Vec<f64>,
}

impl ColumnBuilder {
    pub(super) fn new(name: &str, options: &StatisticsOptions) -> Self {
        Self {
            name: name.to_owned(),
            rows: 0,
            missing: 0,
            infinite: 0,
            finite: 0,
            words: 0,
            blocks: 0,
            numbers: NumberBuilder::new(options.quantile_buffer),
            lengths: NumberBuilder::new(options.quantile_buffer),
            distinct: DistinctCounter::new(options.exact_distinct),
            frequent: FrequentValues::new(options.counted_values),
            first_word: None,
            new_numbers: Vec::new(),
            new_lengths: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.numbers.sketch.kept() + self.lengths.sketch.kept() + self.distinct.kept() + self.frequent.kept()
    }

    pub(super) fn add(&mut self, array: &dyn Array) -> Result<(), DataError> {
        match array.data_type() {
            DataType::Null => self.missing += array.len() as u64,
            DataType::Utf8 => self.add_texts(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.add_texts(array.as_string::<i64>().iter()),
            DataType::Utf8View => self.add_texts(array.as_string_view().iter()),
            DataType::Boolean => {
                let words = array.as_boolean().iter();
                self.add_texts(words.map(|value| value.map(|value| if value { "true" } else { "false" })));
            }
            DataType::Int64 => self.add_whole(array.as_primitive::<Int64Type>().iter()),
            DataType::UInt64 => self.add_whole(array.as_primitive::<UInt64Type>().iter()),
            DataType::Float64 => self.add_numbers(array.as_primitive::<Float64Type>().iter()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => {
                return self.add(self.converted(array, &DataType::Int64)?.as_ref());
            }
            DataType::Float16
            | DataType::Float32
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => {
                return self.add(self.converted(array, &DataType::Float64)?.as_ref());
            }
            DataType::Dictionary(_, values) => return self.add(self.converted(array, values)?.as_ref()),
            DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_)
            | DataType::Interval(_) => return self.add(self.converted(array, &DataType::Utf8)?.as_ref()),
            _ => self.add_blocks(array),
        }
        self.numbers.add(&self.new_numbers);
        self.new_numbers.clear();
        self.lengths.add(&self.new_lengths);
        self.new_lengths.clear();
        self.rows += array.len() as u64;
        Ok(())
    }

    /// As if the rows of the other came after these.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.first_word.is_none() {
            self.first_word = other.first_word.as_ref().map(|(row, word)| (self.rows + row, word.clone()));
        }
        self.rows += other.rows;
        self.missing += other.missing;
        self.infinite += other.infinite;
        self.finite += other.finite;
        self.words += other.words;
        self.blocks += other.blocks;
        self.numbers.merge(&other.numbers);
        self.lengths.merge(&other.lengths);
        self.distinct.merge(&other.distinct);
        self.frequent.merge(&other.frequent);
    }

    pub(super) fn finish(self, bars: usize) -> ColumnStatistics {
        let kind = if self.blocks > 0 {
            ColumnKind::Block
        } else if self.words > 0 {
            ColumnKind::Text
        } else if self.finite + self.infinite > 0 {
            ColumnKind::Number
        } else {
            ColumnKind::Empty
        };
        let values_error = self.frequent.error();
        let values_complete = values_error == 0 && self.blocks == 0;
        let mut values = self.frequent.ordered();
        if !values_complete {
            // The others cannot be told from values that occur once.
            values.retain(|(_, count)| *count > values_error);
            values.truncate(LISTED);
        }
        ColumnStatistics {
            name: self.name,
            kind,
            rows: self.rows,
            missing: self.missing,
            infinite: self.infinite,
            finite: self.finite,
            words: self.words,
            blocks: self.blocks,
            distinct: (self.blocks == 0).then(|| self.distinct.count()),
            numbers: self.numbers.finish(bars),
            lengths: self.lengths.finish(bars),
            values: values.into_iter().map(|(value, count)| ValueCount { value, count }).collect(),
            values_error,
            values_complete,
            stray_word: self.first_word.filter(|_| self.finite > self.words),
        }
    }

    fn add_texts<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) {
        for (number, text) in texts.enumerate() {
            let cell = text.map_or(Cell::Missing, cell_of);
            let Some(text) = text.filter(|_| cell != Cell::Missing) else {
                self.missing += 1;
                continue;
            };
            match cell {
                Cell::Number(value) => self.new_number(value),
                _ => {
                    self.words += 1;
                    self.new_lengths.push(text.chars().count() as f64);
                    if self.first_word.is_none() {
                        self.first_word = Some((self.rows + number as u64 + 1, shortened(text)));
                    }
                }
            }
            let text = text.trim();
            self.note_value(hash_of(text, cell), || Label::of_text(text));
        }
    }

    fn add_numbers(&mut self, values: impl Iterator<Item = Option<f64>>) {
        for value in values {
            match value {
                Some(value) if !value.is_nan() => {
                    self.new_number(value);
                    self.note_value(hash_number(value), || Label::Number(value));
                }
                _ => self.missing += 1,
            }
        }
    }

    fn add_whole(&mut self, values: impl Iterator<Item = Option<impl Into<i128>>>) {
        for value in values {
            let Some(value) = value.map(Into::<i128>::into) else {
                self.missing += 1;
                continue;
            };
            self.new_number(value as f64);
            self.note_value(whole_hash(value), || Label::Whole(value));
        }
    }

    /// Of blocks of numbers all elements are measured; of other nested values only whether they are there.
    fn add_blocks(&mut self, array: &dyn Array) {
        self.missing += array.logical_null_count() as u64;
        self.blocks += (array.len() - array.logical_null_count()) as u64;
        if let DataType::FixedSizeList(field, _) = array.data_type()
            && field.data_type() == &DataType::Float32
        {
            for block in array.as_fixed_size_list().iter().flatten() {
                let elements = block.as_primitive::<Float32Type>().iter().flatten().map(f64::from);
                self.numbers_of_block(elements);
            }
        }
    }

    fn numbers_of_block(&mut self, elements: impl Iterator<Item = f64>) {
        self.new_numbers.clear();
        self.new_numbers.extend(elements.filter(|element| element.is_finite()));
        self.numbers.add(&self.new_numbers);
        self.new_numbers.clear();
    }

    fn new_number(&mut self, value: f64) {
        if value.is_finite() {
            self.finite += 1;
            self.new_numbers.push(value);
        } else {
            self.infinite += 1;
        }
    }

    fn note_value(&mut self, hash: u64, label: impl FnOnce() -> Label) {
        // What has a counter was seen before.
        if !self.frequent.count_known(hash) {
            self.distinct.add(hash);
            self.frequent.start(hash, label());
        }
    }

    fn converted(&self, array: &dyn Array, to: &DataType) -> Result<ArrayRef, DataError> {
        cast(array, to).map_err(|error| DataError::Invalid {
            problem: format!("column `{}`: {} cannot be measured: {error}", self.name, array.data_type()),
        })
    }
}

/// Whole numbers beyond 15 digits are told apart by their digits, since a double would confuse them.
fn whole_hash(value: i128) -> u64 {
    if value.unsigned_abs() < LARGEST_PLAIN {
        hash_number(value as f64)
    } else {
        hash_bytes(value.to_string().as_bytes())
    }
}

const LARGEST_PLAIN: u128 = 1_000_000_000_000_000;
