//! What stands in each column, measured in one pass and in bounded memory.
//!
//! [`StatisticsBuilder`] takes record batches as they come; two builders that saw two parts of a data set can be merged.
//! [`Statistics`] is what they come to: plain numbers, each with its error where it is not exact, which can be kept as
//! a baseline ([`Statistics::to_json`]), described, checked and compared.

mod cells;
mod column;
mod distinct;
mod frequent;
mod hash;
mod moments;
mod numbers;
mod quantiles;
mod wire;

use arrow_array::RecordBatch;

use self::column::ColumnBuilder;
pub use self::{
    column::{ColumnKind, ColumnStatistics, ValueCount},
    distinct::DistinctCount,
    numbers::{Histogram, NumberStatistics, Quantiles},
};
use crate::error::DataError;

/// What is known of a data set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// How many rows were seen.
    pub rows: u64,
    /// In the order of the data.
    pub columns: Vec<ColumnStatistics>,
}

impl Statistics {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// How much memory the sketches of one column may take, and with it how exact they are.
#[derive(Debug, Clone)]
pub struct StatisticsOptions {
    /// Numbers in one buffer of the quantile sketch. Default 4096: ranks are exact up to as many values and off by at
    /// most 0.16 % of ten million.
    pub quantile_buffer: usize,
    /// Different values up to which their number is exact. Default 8192; beyond it is an estimate with 0.8 % standard
    /// error.
    pub exact_distinct: usize,
    /// Values that are counted one by one. Default 1024: counts are exact for columns with no more different values,
    /// else too low by at most 0.2 % of the rows.
    pub counted_values: usize,
    /// Most bars of a histogram. Default 20.
    pub histogram_bars: usize,
}

impl Default for StatisticsOptions {
    fn default() -> Self {
        Self { quantile_buffer: 4096, exact_distinct: 8192, counted_values: 1024, histogram_bars: 20 }
    }
}

impl StatisticsOptions {
    /// A column takes about 1 MB at most. Files with very many columns share what a moderately wide one may have.
    const FULL_COLUMNS: usize = 256;

    fn for_columns(&self, columns: usize) -> Self {
        let share = |size: usize| {
            let shared = size * Self::FULL_COLUMNS / columns.max(1);
            size.min(shared.max(128))
        };
        Self {
            quantile_buffer: share(self.quantile_buffer),
            exact_distinct: share(self.exact_distinct),
            counted_values: share(self.counted_values),
            histogram_bars: self.histogram_bars,
        }
    }
}

/// Statistics in the making.
#[derive(Debug)]
pub struct StatisticsBuilder {
    options: StatisticsOptions,
    rows: u64,
    /// None until the first batch says which columns there are.
    columns: Option<Vec<ColumnBuilder>>,
}

impl StatisticsBuilder {
    /// Nothing seen yet.
    pub fn new(options: StatisticsOptions) -> Self {
        Self { options, rows: 0, columns: None }
    }

    /// Takes in the next rows; they have the columns of the rows before.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let columns = self.columns.get_or_insert_with(|| {
            let options = self.options.for_columns(names.len());
            names.iter().map(|name| ColumnBuilder::new(name, &options)).collect()
        });
        same_columns(columns, names.iter().copied())?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.add(array.as_ref())?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Takes in what another builder saw, as if its rows came after the rows of this one. Counts, range and number of
    /// different values are those of one pass; mean and deviation but for rounding; ranks and frequent values within
    /// the error that is then stated.
    pub fn merge(&mut self, other: Self) -> Result<(), DataError> {
        self.rows += other.rows;
        let Some(theirs) = other.columns else {
            return Ok(());
        };
        let Some(ours) = &mut self.columns else {
            self.columns = Some(theirs);
            return Ok(());
        };
        same_columns(ours, theirs.iter().map(ColumnBuilder::name))?;
        for (our, their) in ours.iter_mut().zip(&theirs) {
            our.merge(their);
        }
        Ok(())
    }

    /// How many values the sketches hold, which is what their memory grows with.
    #[cfg(test)]
    fn kept_values(&self) -> usize {
        self.columns.iter().flatten().map(ColumnBuilder::kept).sum()
    }

    /// What the rows come to.
    pub fn finish(self) -> Statistics {
        let bars = self.options.histogram_bars;
        let columns = self.columns.unwrap_or_default();
        Statistics {
            rows: self.rows,
            columns: columns.into_iter().map(|column| column.finish(bars)).collect(),
        }
    }
}

fn same_columns<'a>(
    columns: &[ColumnBuilder],
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), DataError> {
    let found = names.len();
    let problem = if found != columns.len() {
        format!("the rows before have {} columns, these have {found}", columns.len())
    } else {
        match columns.iter().zip(names).find(|(column, name)| column.name() != *name) {
            Some((column, name)) => {
                format!("the rows before have a column `{}` where these have `{name}`", column.name())
            }
            None => return Ok(()),
        }
    };
    Err(DataError::Invalid { problem })
}

#[cfg(test)]
mod tests;
