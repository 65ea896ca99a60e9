//! Statistics as a file: versioned JSON, unknown keys refused.
//!
//! Numbers are read back to the last bit. A baseline whose values moved by one would part equal values when two data
//! sets are compared, and the usual fast reading of JSON numbers may do that.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Statistics;
use super::column::{ColumnKind, ColumnStatistics, ValueCount};
use super::distinct::DistinctCount;
use super::numbers::{Histogram, NumberStatistics, Quantiles};
use crate::error::DataError;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsFile {
    modelyard_statistics: u32,
    rows: u64,
    columns: Vec<ColumnFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnFile {
    name: String,
    kind: KindFile,
    rows: u64,
    missing: u64,
    infinite: u64,
    finite: u64,
    words: u64,
    blocks: u64,
    distinct: Option<DistinctFile>,
    numbers: Option<NumbersFile>,
    lengths: Option<NumbersFile>,
    values: Vec<(String, u64)>,
    values_error: u64,
    values_complete: bool,
    stray_word: Option<(u64, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindFile {
    Empty,
    Number,
    Text,
    Block,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DistinctFile {
    value: u64,
    relative_error: Exact,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumbersFile {
    count: u64,
    zeros: u64,
    negatives: u64,
    whole: bool,
    min: Exact,
    max: Exact,
    mean: Option<Exact>,
    standard_deviation: Option<Exact>,
    rank_error: Exact,
    quantiles: Vec<Exact>,
    histogram_edges: Vec<Exact>,
    histogram_counts: Vec<u64>,
    histogram_error: u64,
}

/// A finite number that is read as it was written.
#[derive(Serialize, Clone, Copy)]
#[serde(transparent)]
struct Exact(f64);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        match text.get().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Self(number)),
            _ => Err(serde::de::Error::custom(format_args!("{} is not a finite number", text.get()))),
        }
    }
}

impl Statistics {
    /// As JSON text, to be kept as a baseline.
    pub fn to_json(&self) -> String {
        let file = StatisticsFile {
            modelyard_statistics: VERSION,
            rows: self.rows,
            columns: self.columns.iter().map(column_to_file).collect(),
        };
        // Strings, finite numbers and lists always have a JSON form.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// Reads what [`Statistics::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, DataError> {
        let invalid = |problem: String| DataError::Invalid { problem };
        let file: StatisticsFile = serde_json::from_str(text)
            .map_err(|error| invalid(format!("the statistics cannot be read: {error}")))?;
        if file.modelyard_statistics != VERSION {
            let found = file.modelyard_statistics;
            return Err(invalid(format!(
                "the statistics have format {found}, this program reads format {VERSION}"
            )));
        }
        let columns = file.columns.into_iter().map(column_from_file).collect::<Result<_, _>>()?;
        Ok(Self { rows: file.rows, columns })
    }
}

fn column_to_file(column: &ColumnStatistics) -> ColumnFile {
    ColumnFile {
        name: column.name.clone(),
        kind: match column.kind {
            ColumnKind::Empty => KindFile::Empty,
            ColumnKind::Number => KindFile::Number,
            ColumnKind::Text => KindFile::Text,
            ColumnKind::Block => KindFile::Block,
        },
        rows: column.rows,
        missing: column.missing,
        infinite: column.infinite,
        finite: column.finite,
        words: column.words,
        blocks: column.blocks,
        distinct: column.distinct.map(|distinct| DistinctFile {
            value: distinct.value,
            relative_error: Exact(distinct.relative_error),
        }),
        numbers: column.numbers.as_ref().map(numbers_to_file),
        lengths: column.lengths.as_ref().map(numbers_to_file),
        values: column.values.iter().map(|value| (value.value.clone(), value.count)).collect(),
        values_error: column.values_error,
        values_complete: column.values_complete,
        stray_word: column.stray_word.clone(),
    }
}

fn numbers_to_file(numbers: &NumberStatistics) -> NumbersFile {
    let exact = |values: &[f64]| values.iter().copied().map(Exact).collect();
    NumbersFile {
        count: numbers.count,
        zeros: numbers.zeros,
        negatives: numbers.negatives,
        whole: numbers.whole,
        min: Exact(numbers.min),
        max: Exact(numbers.max),
        mean: numbers.mean.map(Exact),
        standard_deviation: numbers.standard_deviation.map(Exact),
        rank_error: Exact(numbers.quantiles.rank_error),
        quantiles: exact(&numbers.quantiles.grid),
        histogram_edges: exact(&numbers.histogram.edges),
        histogram_counts: numbers.histogram.counts.clone(),
        histogram_error: numbers.histogram.error,
    }
}

fn column_from_file(column: ColumnFile) -> Result<ColumnStatistics, DataError> {
    let accounted = [column.missing, column.infinite, column.finite, column.words, column.blocks];
    if accounted.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count)) != Some(column.rows) {
        let problem =
            format!("the statistics cannot be read: the counts of column `{}` do not add up", column.name);
        return Err(DataError::Invalid { problem });
    }
    let name = column.name;
    let numbers = |file: Option<NumbersFile>| file.map(|file| numbers_from_file(file, &name)).transpose();
    Ok(ColumnStatistics {
        kind: match column.kind {
            KindFile::Empty => ColumnKind::Empty,
            KindFile::Number => ColumnKind::Number,
            KindFile::Text => ColumnKind::Text,
            KindFile::Block => ColumnKind::Block,
        },
        rows: column.rows,
        missing: column.missing,
        infinite: column.infinite,
        finite: column.finite,
        words: column.words,
        blocks: column.blocks,
        distinct: column.distinct.map(|distinct| DistinctCount {
            value: distinct.value,
            relative_error: distinct.relative_error.0,
        }),
        numbers: numbers(column.numbers)?,
        lengths: numbers(column.lengths)?,
        values: column.values.into_iter().map(|(value, count)| ValueCount { value, count }).collect(),
        values_error: column.values_error,
        values_complete: column.values_complete,
        stray_word: column.stray_word,
        name,
    })
}

fn numbers_from_file(file: NumbersFile, column: &str) -> Result<NumberStatistics, DataError> {
    let rising = |values: &[Exact]| values.is_sorted_by(|left, right| left.0 <= right.0);
    let steps_fit = file.quantiles.len() == Quantiles::STEPS + 1 && rising(&file.quantiles);
    let bars_fit =
        file.histogram_edges.len() == file.histogram_counts.len() + 1 && rising(&file.histogram_edges);
    if !steps_fit || !bars_fit {
        let problem =
            format!("the statistics cannot be read: quantiles or histogram of column `{column}` are broken");
        return Err(DataError::Invalid { problem });
    }
    let plain = |values: Vec<Exact>| values.into_iter().map(|value| value.0).collect();
    Ok(NumberStatistics {
        count: file.count,
        zeros: file.zeros,
        negatives: file.negatives,
        whole: file.whole,
        min: file.min.0,
        max: file.max.0,
        mean: file.mean.map(|mean| mean.0),
        standard_deviation: file.standard_deviation.map(|deviation| deviation.0),
        quantiles: Quantiles { grid: plain(file.quantiles), rank_error: file.rank_error.0 },
        histogram: Histogram {
            edges: plain(file.histogram_edges),
            counts: file.histogram_counts,
            error: file.histogram_error,
        },
    })
}
