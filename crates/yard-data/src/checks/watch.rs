//! Values outside the domain of one column, counted as the rows go by.

use std::collections::HashSet;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;

use super::{Anomaly, AnomalyKind, anomaly};
use crate::error::shortened;
use crate::schema::{ColumnSpec, ColumnType, Domain, Role};
use crate::typed::arrays::{number_array, text_array};
use crate::typed::cell::{self, NumberCell};

/// How many different values a message names.
pub(super) const EXAMPLES: usize = 3;

#[derive(Debug)]
pub(super) struct Watch {
    column: String,
    domain: Watched,
    outside: u64,
    /// The first different ones.
    examples: Vec<String>,
}

#[derive(Debug)]
enum Watched {
    Range(f64, f64),
    Levels(HashSet<String>),
}

impl Watch {
    /// None where there is nothing to watch.
    pub(super) fn of(column: &ColumnSpec) -> Option<Self> {
        let domain = match (&column.domain, column.kind) {
            _ if column.role == Role::Ignore => return None,
            (Domain::Range { min, max }, ColumnType::Number) => Watched::Range(*min, *max),
            (Domain::Levels(levels), ColumnType::Category) => {
                Watched::Levels(levels.iter().cloned().collect())
            }
            _ => return None,
        };
        Some(Self { column: column.name.clone(), domain, outside: 0, examples: Vec::new() })
    }

    pub(super) fn column(&self) -> &str {
        &self.column
    }

    /// What is missing, and what is of another type, is told elsewhere.
    pub(super) fn look(&mut self, array: &ArrayRef) {
        if let Some(texts) = text_array(array) {
            for text in texts.as_string::<i32>().iter().flatten() {
                let fits = match (&self.domain, cell::number(text)) {
                    (_, NumberCell::Missing) => true,
                    (Watched::Range(min, max), NumberCell::Number(number)) => {
                        number.is_infinite() || (*min..=*max).contains(&number)
                    }
                    (Watched::Range(..), NumberCell::Other) => true,
                    (Watched::Levels(levels), _) => {
                        cell::category(text).is_none_or(|name| levels.contains(name))
                    }
                };
                if !fits {
                    self.note(text.trim());
                }
            }
        } else if let Some(numbers) = number_array(array) {
            let truth_values = *array.data_type() == DataType::Boolean;
            for number in numbers.as_primitive::<Float64Type>().iter().flatten() {
                let name = match &self.domain {
                    Watched::Range(min, max) => {
                        let fits = !number.is_finite() || (*min..=*max).contains(&number);
                        (!fits).then(|| number.to_string())
                    }
                    Watched::Levels(levels) => {
                        let name = if truth_values {
                            Some((number != 0.0).to_string())
                        } else {
                            cell::category_of_number(number)
                        };
                        name.filter(|name| !levels.contains(name))
                    }
                };
                if let Some(name) = name {
                    self.note(&name);
                }
            }
        }
    }

    pub(super) fn anomaly(&self) -> Option<Anomaly> {
        (self.outside > 0).then(|| match &self.domain {
            Watched::Range(min, max) => {
                out_of_domain(&self.column, Some(self.outside), (*min, *max), &self.examples)
            }
            Watched::Levels(levels) => {
                new_category(&self.column, Some(self.outside), levels.len(), &self.examples)
            }
        })
    }

    fn note(&mut self, value: &str) {
        self.outside += 1;
        if self.examples.len() < EXAMPLES {
            let value = shortened(value);
            if !self.examples.contains(&value) {
                self.examples.push(value);
            }
        }
    }
}

pub(super) fn out_of_domain(
    column: &str,
    rows: Option<u64>,
    (min, max): (f64, f64),
    examples: &[String],
) -> Anomaly {
    let message = format!(
        "column `{column}`: {} outside {min} to {max}, such as {}: mend them if they are mistakes (a unit, a sign), else \
         widen the range in the schema",
        counted(rows),
        listed(examples)
    );
    anomaly(AnomalyKind::OutOfDomain, column, rows, message)
}

pub(super) fn new_category(column: &str, rows: Option<u64>, known: usize, examples: &[String]) -> Anomaly {
    let message = format!(
        "column `{column}`: {} not among the {known} categories of the schema, such as {}: mend the spelling if it is one \
         of them, else add it to the schema and train again",
        counted(rows),
        listed(examples)
    );
    anomaly(AnomalyKind::NewCategory, column, rows, message)
}

fn counted(rows: Option<u64>) -> String {
    match rows {
        None => "some values are".to_owned(),
        Some(1) => "1 value is".to_owned(),
        Some(rows) => format!("{rows} values are"),
    }
}

fn listed(examples: &[String]) -> String {
    examples.iter().map(|example| format!("`{example}`")).collect::<Vec<_>>().join(", ")
}
