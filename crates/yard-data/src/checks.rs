//! Whether a data set is what a schema, or an earlier data set, says it should be.
//!
//! [`Checker`] reads the rows once, in bounded memory, and counts every value outside its column's domain. [`check`]
//! works from [`Statistics`] alone, where the rows are gone: ranges are exact there too, but of a column with more
//! different values than statistics list, only the frequent ones can be told to be new.

use std::fmt;

use arrow_array::RecordBatch;

use crate::error::{DataError, shortened};
use crate::schema::{ColumnSpec, ColumnType, Domain, Role, Schema};
use crate::statistics::{ColumnKind, ColumnStatistics, Statistics, StatisticsBuilder, StatisticsOptions};

mod baseline;
mod watch;

pub use baseline::schema_of;
use watch::Watch;

/// Something about a data set that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub kind: AnomalyKind,
    /// The column's name.
    pub column: String,
    /// In how many rows, where that is known.
    pub rows: Option<u64>,
    /// What was found and what to do.
    pub message: String,
}

/// The anomalies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The schema has a column that the data lack.
    MissingColumn,
    /// The data have a column that the schema lacks.
    UnexpectedColumn,
    /// Values are of another type than the schema says.
    TypeChange,
    /// Numbers beyond the range of the schema.
    OutOfDomain,
    /// More values are missing than is allowed.
    TooManyMissing,
    /// Names that the schema does not list.
    NewCategory,
    /// The same value in every row.
    Constant,
    /// Infinite numbers.
    Infinite,
}

impl AnomalyKind {
    /// As it stands in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingColumn => "missing_column",
            Self::UnexpectedColumn => "unexpected_column",
            Self::TypeChange => "type_change",
            Self::OutOfDomain => "out_of_domain",
            Self::TooManyMissing => "too_many_missing",
            Self::NewCategory => "new_category",
            Self::Constant => "constant",
            Self::Infinite => "infinite",
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What is still taken for ordinary.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The largest share of missing values in a column that may have some, 0 to 1. Default 0.5. A column that the schema
    /// calls not nullable may have none.
    pub most_missing: f64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { most_missing: 0.5 }
    }
}

/// Checks rows as they come.
#[derive(Debug)]
pub struct Checker {
    schema: Schema,
    options: CheckOptions,
    statistics: StatisticsBuilder,
    watches: Vec<Watch>,
}

impl Checker {
    /// The rows are to be given as their format has them, not yet in the types of the schema.
    pub fn new(schema: Schema, options: CheckOptions) -> Self {
        let watches = schema.columns.iter().filter_map(Watch::of).collect();
        Self { schema, options, statistics: StatisticsBuilder::new(StatisticsOptions::default()), watches }
    }

    /// Takes in the next rows.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        self.statistics.add(batch)?;
        for watch in &mut self.watches {
            if let Some(array) = batch.column_by_name(watch.column()) {
                watch.look(array);
            }
        }
        Ok(())
    }

    /// What is not as expected, and what the rows came to.
    pub fn finish(self) -> (Vec<Anomaly>, Statistics) {
        let statistics = self.statistics.finish();
        let anomalies = anomalies(&statistics, &self.schema, &self.options, Some(&self.watches));
        (anomalies, statistics)
    }
}

/// Checks what is known of a data set, without its rows.
pub fn check(statistics: &Statistics, schema: &Schema, options: &CheckOptions) -> Vec<Anomaly> {
    anomalies(statistics, schema, options, None)
}

fn anomalies(
    statistics: &Statistics,
    schema: &Schema,
    options: &CheckOptions,
    watches: Option<&[Watch]>,
) -> Vec<Anomaly> {
    let mut found = Vec::new();
    for expected in schema.columns.iter().filter(|column| column.role != Role::Ignore) {
        let Some(column) = statistics.column(&expected.name) else {
            found.push(missing_column(expected, statistics));
            continue;
        };
        if column.rows == 0 {
            continue;
        }
        let of_type = type_change(column, expected);
        let type_fits = of_type.is_none();
        found.extend(of_type);
        found.extend(too_many_missing(column, expected, options));
        found.extend(infinite(column, expected));
        if type_fits {
            let watch =
                watches.and_then(|watches| watches.iter().find(|watch| watch.column() == expected.name));
            found.extend(match watch {
                Some(watch) => watch.anomaly(),
                None => outside(column, expected),
            });
        }
        found.extend(constant(column));
    }
    let unexpected = statistics.columns.iter().filter(|column| schema.column(&column.name).is_none());
    found.extend(unexpected.map(unexpected_column));
    found
}

fn missing_column(expected: &ColumnSpec, statistics: &Statistics) -> Anomaly {
    let name = &expected.name;
    let similar = statistics
        .columns
        .iter()
        .find(|column| column.name.trim().eq_ignore_ascii_case(name.trim()))
        .map(|column| format!("; there is `{}`, which differs in case or blanks only", column.name))
        .unwrap_or_default();
    anomaly(
        AnomalyKind::MissingColumn,
        name,
        None,
        format!(
            "the {} column `{name}` is not in the data{similar}: add it, or take it out of the schema",
            expected.role
        ),
    )
}

fn unexpected_column(column: &ColumnStatistics) -> Anomaly {
    let name = &column.name;
    let message = format!(
        "column `{name}` ({}) is not in the schema: remove it from the data, or add it to the schema (role `ignore` \
         leaves it out)",
        column.kind
    );
    anomaly(AnomalyKind::UnexpectedColumn, name, None, message)
}

fn type_change(column: &ColumnStatistics, expected: &ColumnSpec) -> Option<Anomaly> {
    let name = &column.name;
    let change = |rows, message| Some(anomaly(AnomalyKind::TypeChange, name, Some(rows), message));
    match (expected.kind, column.kind) {
        (_, ColumnKind::Empty) => None,
        (ColumnType::Image, ColumnKind::Block) => None,
        (ColumnType::Image, found) => change(
            column.count(),
            format!("column `{name}` should hold images and holds {found}: was another file meant?"),
        ),
        (kind, ColumnKind::Block) => change(
            column.blocks,
            format!(
                "column `{name}` should be of type {kind} and holds lists or blocks: was another file meant?"
            ),
        ),
        (ColumnType::Number, ColumnKind::Text) => change(column.words, words_among_numbers(column)),
        (ColumnType::Text, ColumnKind::Number) => change(
            column.count(),
            format!("column `{name}` should hold text and holds numbers only: were columns exchanged?"),
        ),
        (ColumnType::Number, ColumnKind::Number) | (ColumnType::Category | ColumnType::Text, _) => None,
    }
}

fn words_among_numbers(column: &ColumnStatistics) -> String {
    let name = &column.name;
    let example =
        match (&column.stray_word, column.values.iter().find(|value| value.value.parse::<f64>().is_err())) {
            (Some((row, word)), _) => format!(", the first in row {row}: `{word}`"),
            (None, Some(value)) => format!(", such as `{}`", shortened(&value.value)),
            (None, None) => String::new(),
        };
    format!(
        "column `{name}` should hold numbers, but {} of {} values are not{example}: mend or empty them, or make the \
         column a category",
        column.words,
        column.count()
    )
}

fn too_many_missing(
    column: &ColumnStatistics,
    expected: &ColumnSpec,
    options: &CheckOptions,
) -> Option<Anomaly> {
    let allowed = if expected.nullable { options.most_missing } else { 0.0 };
    if column.missing == 0 || column.missing_share() <= allowed {
        return None;
    }
    let limit = if expected.nullable {
        format!("at most {:.1} % may be", allowed * 100.0)
    } else {
        "none may be".to_owned()
    };
    let message = format!(
        "column `{}`: {} of {} values are missing ({:.1} %), {limit}: fill them at the source, drop these rows, or allow it \
         in the schema (`nullable`)",
        column.name,
        column.missing,
        column.rows,
        column.missing_share() * 100.0
    );
    Some(anomaly(AnomalyKind::TooManyMissing, &column.name, Some(column.missing), message))
}

fn infinite(column: &ColumnStatistics, expected: &ColumnSpec) -> Option<Anomaly> {
    (column.infinite > 0 && expected.kind == ColumnType::Number).then(|| {
        let message = format!(
            "column `{}` has {} infinite values: replace them by numbers, or leave them empty (missing)",
            column.name, column.infinite
        );
        anomaly(AnomalyKind::Infinite, &column.name, Some(column.infinite), message)
    })
}

fn constant(column: &ColumnStatistics) -> Option<Anomaly> {
    let distinct = column.distinct.filter(|distinct| distinct.relative_error == 0.0)?;
    let (true, true, [value]) = (distinct.value == 1, column.rows > 1, column.values.as_slice()) else {
        return None;
    };
    let message = format!(
        "column `{}` has the one value `{}`: nothing can be learned from it, leave it out or look why it does not vary",
        column.name,
        shortened(&value.value)
    );
    Some(anomaly(AnomalyKind::Constant, &column.name, Some(value.count), message))
}

/// What statistics alone can tell of values outside the domain.
fn outside(column: &ColumnStatistics, expected: &ColumnSpec) -> Option<Anomaly> {
    match &expected.domain {
        Domain::Any => None,
        Domain::Range { min, max } => {
            let numbers = column.numbers.as_ref()?;
            let beyond = [numbers.min, numbers.max].into_iter().filter(|value| value < min || value > max);
            let examples: Vec<String> = beyond.map(|value| value.to_string()).collect();
            (!examples.is_empty()).then(|| watch::out_of_domain(&column.name, None, (*min, *max), &examples))
        }
        Domain::Levels(levels) => {
            let new: Vec<_> = column.values.iter().filter(|value| !levels.contains(&value.value)).collect();
            let rows = column.values_complete.then(|| new.iter().map(|value| value.count).sum());
            let examples: Vec<String> =
                new.iter().take(watch::EXAMPLES).map(|value| shortened(&value.value)).collect();
            (!examples.is_empty()).then(|| watch::new_category(&column.name, rows, levels.len(), &examples))
        }
    }
}

fn anomaly(kind: AnomalyKind, column: &str, rows: Option<u64>, message: String) -> Anomaly {
    Anomaly { kind, column: column.to_owned(), rows, message }
}

#[cfg(test)]
mod tests;
