//! Statistics for people: a table for the terminal and a page that needs nothing but itself.

mod figures;
mod page;
mod terminal;

pub use page::describe_page;
pub use terminal::describe_table;

use crate::statistics::{ColumnKind, ColumnStatistics, Statistics};

/// Whether the column is told by its numbers; one stray word does not change that.
fn is_told_by_numbers(column: &ColumnStatistics) -> bool {
    column.numbers.is_some() && (column.kind != ColumnKind::Text || column.finite > column.words)
}

/// What is not exact, and by how much at most.
fn errors(statistics: &Statistics) -> Vec<String> {
    let mut notes = Vec::new();
    let ranks = statistics
        .columns
        .iter()
        .filter_map(|column| column.numbers.as_ref())
        .map(|numbers| numbers.quantiles.rank_error())
        .fold(0.0, f64::max);
    if ranks > 0.0 {
        let percent = ranks * 100.0;
        notes.push(format!("Quantiles are values whose rank is off by at most {percent:.3} % of the rows."));
    }
    let distinct = statistics
        .columns
        .iter()
        .filter_map(|column| column.distinct)
        .map(|distinct| distinct.relative_error)
        .fold(0.0, f64::max);
    if distinct > 0.0 {
        let percent = distinct * 100.0;
        notes.push(format!(
            "Numbers of different values marked ~ are estimates with {percent:.1} % standard error."
        ));
    }
    let counts = statistics.columns.iter().map(|column| column.values_error).max().unwrap_or(0);
    if counts > 0 {
        notes.push(format!(
            "Counts of frequent values marked >= may be up to {} higher.",
            figures::count(counts)
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
