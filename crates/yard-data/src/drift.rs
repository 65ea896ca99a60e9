//! How far one data set is from another, column by column.
//!
//! - **Categories**: L-infinity, the largest difference between the shares of one value, 0 to 1.
//! - **Numbers**: Jensen-Shannon divergence to base 2, 0 (alike) to 1 (nothing in common). It is taken over at most 20
//!   bins that hold equal parts of both data sets together, so neither outliers nor the unit of a column matter and
//!   exchanging the two changes nothing.
//! - **Free text** (too many different values to compare their shares): Jensen-Shannon of the lengths.
//!
//! In all of them "missing" is one more outcome, as are infinities and words among numbers: a column that lost half its
//! values has drifted. Two samples of the same source differ too, the more the smaller they are; that much is stated as
//! `noise`, and nothing below it is called drift.

use std::collections::BTreeMap;
use std::fmt;

use crate::statistics::{ColumnKind, ColumnStatistics, NumberStatistics, Quantiles, Statistics};

/// From which distance on a column counts as drifted.
#[derive(Debug, Clone)]
pub struct DriftOptions {
    /// For categories: L-infinity, 0 to 1. Default 0.1.
    pub category_threshold: f64,
    /// For numbers and lengths: Jensen-Shannon divergence to base 2, 0 to 1. Default 0.05, which is what a shift by half
    /// a standard deviation comes to.
    pub number_threshold: f64,
}

impl Default for DriftOptions {
    fn default() -> Self {
        Self { category_threshold: 0.1, number_threshold: 0.05 }
    }
}

/// How far the two sides of a column are apart.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDrift {
    /// As it stands in the data.
    pub column: String,
    /// None where the columns cannot be compared.
    pub distance: Option<Distance>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// A distance between two distributions.
#[derive(Debug, Clone, PartialEq)]
pub struct Distance {
    /// How it was measured.
    pub measure: Measure,
    /// 0 to 1.
    pub value: f64,
    /// What two samples of one source would hardly ever exceed with so few rows.
    pub noise: f64,
    /// From where on it counts.
    pub threshold: f64,
    /// For categories: the value whose share changed most, with both shares.
    pub largest: Option<(String, f64, f64)>,
}

/// How a distance was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Of shares of categories.
    LInfinity,
    /// Of numbers.
    JensenShannon,
    /// Of the lengths of texts.
    JensenShannonOfLengths,
}

/// What a distance comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not above the threshold.
    Stable,
    /// Above the threshold and above what chance does.
    Drifted,
    /// Above the threshold, but so few rows may differ as much by chance.
    TooFewRows,
    /// The column is missing in the second data set.
    Gone,
    /// The column is missing in the first data set.
    New,
    /// Numbers in one, words or blocks in the other.
    KindChanged,
}

impl Verdict {
    /// As it stands in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Drifted => "drifted",
            Self::TooFewRows => "too_few_rows",
            Self::Gone => "gone",
            Self::New => "new",
            Self::KindChanged => "kind_changed",
        }
    }

    /// Whether somebody should look.
    pub const fn is_drift(self) -> bool {
        !matches!(self, Self::Stable | Self::TooFewRows)
    }
}

impl Measure {
    /// As it stands in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LInfinity => "l_infinity",
            Self::JensenShannon => "jensen_shannon",
            Self::JensenShannonOfLengths => "jensen_shannon_of_lengths",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Compares column by column: those of the first data set in their order, then those that are new in the second.
pub fn drift(first: &Statistics, second: &Statistics, options: &DriftOptions) -> Vec<ColumnDrift> {
    let bare = |column: &ColumnStatistics, verdict| ColumnDrift {
        column: column.name.clone(),
        distance: None,
        verdict,
    };
    let mut columns: Vec<ColumnDrift> = first
        .columns
        .iter()
        .map(|column| match second.column(&column.name) {
            None => bare(column, Verdict::Gone),
            Some(other) => match distance(column, other, options) {
                None => bare(column, Verdict::KindChanged),
                Some(distance) => {
                    let verdict = verdict(&distance);
                    ColumnDrift { column: column.name.clone(), distance: Some(distance), verdict }
                }
            },
        })
        .collect();
    let new = second.columns.iter().filter(|column| first.column(&column.name).is_none());
    columns.extend(new.map(|column| bare(column, Verdict::New)));
    columns
}

fn verdict(distance: &Distance) -> Verdict {
    if distance.value <= distance.threshold {
        Verdict::Stable
    } else if distance.value <= distance.noise {
        Verdict::TooFewRows
    } else {
        Verdict::Drifted
    }
}

fn distance(first: &ColumnStatistics, second: &ColumnStatistics, options: &DriftOptions) -> Option<Distance> {
    let kind = match (first.kind, second.kind) {
        (ColumnKind::Empty, kind) | (kind, ColumnKind::Empty) => kind,
        (left, right) if left == right => left,
        // One stray word among numbers changes the kind of a column, yet not what it is about.
        _ if first.finite > first.words && second.finite > second.words => ColumnKind::Number,
        _ => return None,
    };
    let rows = (first.rows, second.rows);
    match kind {
        ColumnKind::Text if first.values_complete && second.values_complete => {
            Some(of_categories(first, second, options.category_threshold))
        }
        ColumnKind::Text => {
            let lengths = (first.lengths.as_ref(), second.lengths.as_ref());
            let others = [first, second].map(|column| [column.missing, column.infinite + column.finite, 0]);
            let measure = Measure::JensenShannonOfLengths;
            Some(of_numbers(measure, lengths, rows, others, options.number_threshold))
        }
        ColumnKind::Number | ColumnKind::Block | ColumnKind::Empty => {
            let numbers = (first.numbers.as_ref(), second.numbers.as_ref());
            let others = [first, second].map(|column| [column.missing, column.infinite, column.words]);
            Some(of_numbers(Measure::JensenShannon, numbers, rows, others, options.number_threshold))
        }
    }
}

fn of_categories(first: &ColumnStatistics, second: &ColumnStatistics, threshold: f64) -> Distance {
    let mut shares: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for value in &first.values {
        shares.entry(&value.value).or_default().0 += share(value.count, first.rows);
    }
    for value in &second.values {
        shares.entry(&value.value).or_default().1 += share(value.count, second.rows);
    }
    let missing = (first.missing_share(), second.missing_share());
    let all = shares.into_iter().chain(std::iter::once(("(missing)", missing)));
    let (mut value, mut noise, mut largest) = (0.0, 0.0_f64, None);
    for (name, (left, right)) in all {
        let both = (left + right) / 2.0;
        let deviation = (both * (1.0 - both) * per_row(first.rows, second.rows)).sqrt();
        noise = noise.max(3.0 * deviation);
        if (left - right).abs() > value {
            value = (left - right).abs();
            largest = Some((name.to_owned(), left, right));
        }
    }
    Distance { measure: Measure::LInfinity, value: value.min(1.0), noise, threshold, largest }
}

/// Bins that hold equal parts of both sides.
const BINS: usize = 20;

fn of_numbers(
    measure: Measure,
    numbers: (Option<&NumberStatistics>, Option<&NumberStatistics>),
    rows: (u64, u64),
    others: [[u64; 3]; 2],
    threshold: f64,
) -> Distance {
    let grids = [numbers.0, numbers.1].map(|side| side.map_or(&[][..], |numbers| numbers.quantiles.grid()));
    let cuts = cuts(grids);
    let sides = [(grids[0], rows.0, others[0]), (grids[1], rows.1, others[1])];
    let [first, second] = sides.map(|(grid, rows, others)| outcomes(grid, &cuts, rows, others));
    let used = first.iter().zip(&second).filter(|(left, right)| **left + **right > 0.0).count();
    // Under no drift 8 ln 2 times the divergence is close to chi-square, with so many degrees of freedom.
    let freedom = used.saturating_sub(1) as f64;
    let spread = per_row(rows.0, rows.1) / (8.0 * std::f64::consts::LN_2);
    let noise = (freedom + 3.0 * (2.0 * freedom).sqrt()) * spread;
    Distance { measure, value: jensen_shannon(&first, &second), noise, threshold, largest: None }
}

/// Where the mean of both distributions passes each twentieth.
fn cuts(grids: [&[f64]; 2]) -> Vec<f64> {
    let mut points: Vec<f64> = grids.concat();
    points.sort_unstable_by(f64::total_cmp);
    points.dedup();
    let mut cuts = Vec::with_capacity(BINS);
    let mut passed = 0;
    for point in points {
        let both: f64 = grids.iter().map(|grid| at_most(grid, point)).sum::<f64>()
            / grids.iter().filter(|grid| !grid.is_empty()).count().max(1) as f64;
        let now = (both * BINS as f64 + 1e-9) as usize;
        if now > passed {
            passed = now;
            cuts.push(point);
        }
    }
    cuts
}

/// The share of a side's numbers that are at most `limit`, to half a percent and the error of its ranks.
fn at_most(grid: &[f64], limit: f64) -> f64 {
    grid.partition_point(|value| *value <= limit).saturating_sub(1) as f64 / Quantiles::STEPS as f64
}

/// The shares of the bins, then of what is no finite number.
fn outcomes(grid: &[f64], cuts: &[f64], rows: u64, others: [u64; 3]) -> Vec<f64> {
    let rest = others.map(|count| share(count, rows));
    let whole = if grid.is_empty() { 0.0 } else { (1.0 - rest.iter().sum::<f64>()).max(0.0) };
    let mut before = 0.0;
    let mut shares: Vec<f64> = Vec::with_capacity(cuts.len() + rest.len());
    for &cut in cuts {
        let now = at_most(grid, cut);
        shares.push(whole * (now - before));
        before = now;
    }
    shares.extend(rest);
    shares
}

fn share(count: u64, rows: u64) -> f64 {
    if rows == 0 { 0.0 } else { count as f64 / rows as f64 }
}

fn per_row(first: u64, second: u64) -> f64 {
    1.0 / first.max(1) as f64 + 1.0 / second.max(1) as f64
}

/// The Jensen-Shannon divergence to base 2 of two lists of shares: the mean of how many bits each loses when it is
/// taken for the mixture of both. 0 to 1, and the same when the two are exchanged.
fn jensen_shannon(first: &[f64], second: &[f64]) -> f64 {
    debug_assert_eq!(first.len(), second.len(), "the same outcomes on both sides");
    let bits = |share: f64, mixed: f64| if share > 0.0 { share * (share / mixed).log2() } else { 0.0 };
    let sum: f64 = first
        .iter()
        .zip(second)
        .map(|(&left, &right)| {
            let mixed = f64::midpoint(left, right);
            bits(left, mixed) + bits(right, mixed)
        })
        .sum();
    (sum / 2.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
