//! What was seen in one column, in bounded memory.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::schema::ColumnType;
use crate::typed::arrays::{is_list, list_row, number_array, text_array};
use crate::typed::cell::{self, NumberCell};

/// Most distinct values that are remembered of a column of numbers, and of text.
const MOST_NUMBERS: usize = 1000;
const MOST_NAMES: usize = 100_000;
const MOST_NAME_BYTES: usize = 16 << 20;

/// A label of whole numbers is a class if there are no more of them, each seen so often on average.
const MOST_CLASSES: usize = 100;
const ROWS_OF_A_CLASS: u64 = 5;

/// A column with so many numbers is numbers even where one value in twenty is not.
const NUMBERS_TO_BE_SURE: u64 = 20;
const OTHERS_FORGIVEN: u64 = 20;

const WORDS_OF_TEXT: u64 = 3;

#[derive(Debug)]
pub(super) struct Seen {
    /// Of lists of numbers.
    pub(super) shape: Option<Vec<usize>>,
    pub(super) missing: u64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) others: u64,
    pub(super) first_other: Option<(u64, String)>,
    pub(super) first_infinite: Option<u64>,
    numbers: u64,
    all_whole: bool,
    truth_values: bool,
    words: u64,
    distinct: HashSet<String>,
    distinct_bytes: usize,
    /// There are more distinct values than are remembered.
    too_many: bool,
}

impl Seen {
    pub(super) fn new(shape: Option<Vec<usize>>) -> Self {
        Self {
            shape,
            missing: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            others: 0,
            first_other: None,
            first_infinite: None,
            numbers: 0,
            all_whole: true,
            truth_values: false,
            words: 0,
            distinct: HashSet::new(),
            distinct_bytes: 0,
            too_many: false,
        }
    }

    /// How many values were there.
    pub(super) fn values(&self) -> u64 {
        self.numbers + self.others
    }

    /// All distinct values, unless there are too many.
    pub(super) fn levels(&self) -> Option<Vec<String>> {
        (!self.too_many && !self.distinct.is_empty()).then(|| self.distinct.iter().cloned().collect())
    }

    pub(super) fn look(&mut self, array: &ArrayRef, rows_before: u64) {
        let row = |at: usize| rows_before + at as u64 + 1;
        if is_list(array.data_type()) {
            self.missing += array.null_count() as u64;
            if self.shape.is_none() {
                let first = (0..array.len()).find_map(|at| list_row(array, at));
                self.shape = first.map(|first| vec![first.len()]);
            }
            return;
        }
        if let Some(texts) = text_array(array) {
            for (at, text) in texts.as_string::<i32>().iter().enumerate() {
                self.look_at_text(text, row(at));
            }
        } else if let Some(numbers) = number_array(array) {
            self.truth_values |= *array.data_type() == DataType::Boolean;
            for (at, number) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
                match number.filter(|number| !number.is_nan()) {
                    None => self.missing += 1,
                    Some(number) => {
                        self.look_at_number(number, row(at));
                        if !self.too_many {
                            let name = if self.truth_values {
                                (number != 0.0).to_string()
                            } else {
                                cell::category_of_number(number).unwrap_or_default()
                            };
                            self.remember(&name);
                        }
                    }
                }
            }
        } else {
            // Dates and the like: nothing is known of the values but whether they are there.
            self.missing += array.null_count() as u64;
            self.others += (array.len() - array.null_count()) as u64;
            self.too_many = true;
        }
    }

    fn look_at_text(&mut self, text: Option<&str>, row: u64) {
        let text = text.unwrap_or_default();
        match cell::number(text) {
            NumberCell::Missing => {
                self.missing += 1;
                return;
            }
            NumberCell::Number(number) => self.look_at_number(number, row),
            NumberCell::Other => {
                self.others += 1;
                if self.first_other.is_none() {
                    self.first_other = Some((row, text.to_owned()));
                }
                self.words += text.split_whitespace().count() as u64;
            }
        }
        self.remember(text.trim());
    }

    fn look_at_number(&mut self, number: f64, row: u64) {
        self.numbers += 1;
        if number.is_infinite() {
            self.first_infinite.get_or_insert(row);
            return;
        }
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.all_whole &= number.fract() == 0.0;
    }

    fn remember(&mut self, name: &str) {
        if self.too_many || self.distinct.contains(name) {
            return;
        }
        let most = if self.others == 0 { MOST_NUMBERS } else { MOST_NAMES };
        if self.distinct.len() >= most || self.distinct_bytes + name.len() > MOST_NAME_BYTES {
            self.too_many = true;
            self.distinct = HashSet::new();
            return;
        }
        self.distinct_bytes += name.len();
        self.distinct.insert(name.to_owned());
    }

    pub(super) fn kind(&self, label: bool) -> ColumnType {
        if self.shape.is_some() {
            return ColumnType::Image;
        }
        if self.truth_values {
            return ColumnType::Category;
        }
        let mostly_numbers =
            self.numbers >= NUMBERS_TO_BE_SURE && self.others * OTHERS_FORGIVEN <= self.values();
        if self.others == 0 || mostly_numbers {
            let classes = self.distinct.len();
            let few = !self.too_many
                && (1..=MOST_CLASSES).contains(&classes)
                && (classes <= 2 || self.values() >= classes as u64 * ROWS_OF_A_CLASS);
            let are_classes = label && self.others == 0 && self.all_whole && few;
            return if are_classes { ColumnType::Category } else { ColumnType::Number };
        }
        let mostly_distinct = self.too_many || self.distinct.len() as u64 * 2 > self.values();
        if !label && mostly_distinct && self.words >= self.others * WORDS_OF_TEXT {
            return ColumnType::Text;
        }
        ColumnType::Category
    }
}
