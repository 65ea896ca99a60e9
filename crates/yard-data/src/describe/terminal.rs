//! The table for the terminal.

use std::fmt::Write as _;

use super::figures;
use super::{errors, is_told_by_numbers};
use crate::statistics::{ColumnStatistics, Histogram, Statistics};

const LONGEST_NAME: usize = 32;
const LONGEST_VALUE: usize = 24;
const VALUES: usize = 3;

/// The statistics as text: one table of the columns that hold numbers, one of the others, then what is not exact.
pub fn describe_table(statistics: &Statistics, title: &str) -> String {
    let title = figures::name(title, 200);
    let columns = statistics.columns.len();
    let mut text = format!(
        "{title}: {} rows, {} columns\n",
        figures::count(statistics.rows),
        figures::count(columns as u64)
    );
    let (numbers, others): (Vec<_>, Vec<_>) =
        statistics.columns.iter().partition(|column| is_told_by_numbers(column));
    if !numbers.is_empty() {
        text.push('\n');
        text.push_str(&numbers_table(&numbers));
    }
    if !others.is_empty() {
        text.push('\n');
        text.push_str(&others_table(&others));
    }
    let notes = notes(statistics);
    if !notes.is_empty() {
        text.push('\n');
        for note in notes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{note}");
        }
    }
    text
}

fn numbers_table(columns: &[&ColumnStatistics]) -> String {
    let headings = [
        "NUMBERS",
        "COUNT",
        "MISSING",
        "DISTINCT",
        "ZEROS",
        "MEAN",
        "DEVIATION",
        "MIN",
        "5 %",
        "25 %",
        "50 %",
        "75 %",
        "95 %",
        "MAX",
        "HISTOGRAM",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for column in columns {
        let Some(numbers) = &column.numbers else {
            continue;
        };
        let mut row = vec![
            figures::name(&column.name, LONGEST_NAME),
            figures::count(column.count()),
            figures::missing(column),
            figures::distinct(column),
            figures::count(numbers.zeros),
            figures::optional(numbers.mean),
            figures::optional(numbers.standard_deviation),
            figures::number(numbers.min),
        ];
        row.extend([0.05, 0.25, 0.5, 0.75, 0.95].map(|share| figures::number(numbers.quantiles.at(share))));
        row.extend([figures::number(numbers.max), bars(&numbers.histogram)]);
        rows.push(row);
    }
    table(&rows)
}

fn others_table(columns: &[&ColumnStatistics]) -> String {
    let headings = ["TEXTS", "KIND", "COUNT", "MISSING", "DISTINCT", "LENGTH", "MOST FREQUENT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for column in columns {
        let length = column.lengths.as_ref().map_or_else(
            || "-".to_owned(),
            |lengths| match lengths.min == lengths.max {
                true => figures::number(lengths.min),
                false => format!("{} to {}", figures::number(lengths.min), figures::number(lengths.max)),
            },
        );
        let mark = if column.values_error > 0 { ">=" } else { "" };
        let frequent = column.values.iter().take(VALUES).map(|value| {
            format!("{} {mark}{}", figures::name(&value.value, LONGEST_VALUE), figures::count(value.count))
        });
        let frequent = frequent.collect::<Vec<_>>().join(", ");
        rows.push(vec![
            figures::name(&column.name, LONGEST_NAME),
            column.kind.to_string(),
            figures::count(column.count()),
            figures::missing(column),
            figures::distinct(column),
            length,
            if frequent.is_empty() { "-".to_owned() } else { frequent },
        ]);
    }
    table(&rows)
}

fn notes(statistics: &Statistics) -> Vec<String> {
    let mut notes = errors(statistics);
    for column in &statistics.columns {
        let name = figures::name(&column.name, LONGEST_NAME);
        if let Some((row, word)) = &column.stray_word {
            let word = figures::name(word, LONGEST_VALUE);
            let words = figures::count(column.words);
            notes.push(format!("{name}: {words} values are no numbers, the first in row {row}: {word}"));
        }
        if column.infinite > 0 {
            notes.push(format!(
                "{name}: {} values are infinite; they are in no figure but COUNT.",
                figures::count(column.infinite)
            ));
        }
    }
    notes
}

/// One block character for each bar, by its height.
fn bars(histogram: &Histogram) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| match count {
        0 => ' ',
        count => HEIGHTS[((count * 8).div_ceil(highest) as usize).clamp(1, 8) - 1],
    };
    histogram.counts.iter().map(bar).collect()
}

/// Each column as wide as its widest cell; the first to the left, figures to the right, the last as it comes.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let blanks = " ".repeat(width - cell.chars().count());
            if place == 0 || place + 1 == row.len() {
                line.push_str(cell);
                line.push_str(&blanks);
            } else {
                line.push_str(&blanks);
                line.push_str(cell);
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
