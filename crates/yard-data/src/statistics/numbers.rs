//! What a column of numbers, or of lengths, comes to.

use super::moments::Moments;
use super::quantiles::{QuantileSketch, Ranks};

/// What is known of the finite numbers of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberStatistics {
    /// How many there are.
    pub count: u64,
    /// How many are zero.
    pub zeros: u64,
    /// How many are below zero.
    pub negatives: u64,
    /// Whether all are whole numbers.
    pub whole: bool,
    /// The smallest, exactly.
    pub min: f64,
    /// The largest, exactly.
    pub max: f64,
    /// None where the sum is beyond what a double holds.
    pub mean: Option<f64>,
    /// Of a sample (divided by n - 1). None for a single number, and where squares are beyond what a double holds.
    pub standard_deviation: Option<f64>,
    /// The ranks.
    pub quantiles: Quantiles,
    /// The bars.
    pub histogram: Histogram,
}

/// The values at 201 even steps of rank, from the smallest to the largest.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    pub(super) grid: Vec<f64>,
    pub(super) rank_error: f64,
}

/// How many numbers lie in bars of equal width over the exact range. A bar holds its lower edge, the last one both.
/// Where all numbers are whole and few, each has a bar of its own, from half below to half above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// One more than bars.
    pub edges: Vec<f64>,
    /// One for each bar.
    pub counts: Vec<u64>,
    /// By how much a bar may be wrong: zero where counts are exact.
    pub error: u64,
}

impl Quantiles {
    /// Steps of half a percent: every whole percentage is one.
    pub const STEPS: usize = 200;

    /// The value at that share of the data, 0 to 1: one of the data, whose rank is off by at most
    /// [`rank_error`](Self::rank_error) at each half percent. Between, the nearest half percent answers.
    pub fn at(&self, share: f64) -> f64 {
        self.grid[(share.clamp(0.0, 1.0) * Self::STEPS as f64).round() as usize]
    }

    /// The largest possible distance of a rank from the true one, as a share of the data; zero where exact. It is
    /// proven, not likely.
    pub const fn rank_error(&self) -> f64 {
        self.rank_error
    }

    /// All steps.
    pub fn grid(&self) -> &[f64] {
        &self.grid
    }
}

/// Finite numbers in the making.
#[derive(Debug, Clone)]
pub(super) struct NumberBuilder {
    pub(super) moments: Moments,
    pub(super) sketch: QuantileSketch,
}

impl NumberBuilder {
    pub(super) fn new(quantile_buffer: usize) -> Self {
        Self { moments: Moments::default(), sketch: QuantileSketch::new(quantile_buffer) }
    }

    pub(super) fn add(&mut self, values: &[f64]) {
        self.moments.add(values);
        self.sketch.add(values);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.sketch.merge(&other.sketch);
    }

    pub(super) fn finish(&self, bars: usize) -> Option<NumberStatistics> {
        let (min, max) = self.moments.range()?;
        let ranks = self.sketch.ranks();
        let whole = self.moments.fractional == 0;
        Some(NumberStatistics {
            count: self.moments.count,
            zeros: self.moments.zeros,
            negatives: self.moments.negatives,
            whole,
            min,
            max,
            mean: self.moments.mean(),
            standard_deviation: self.moments.standard_deviation(),
            quantiles: quantiles(&ranks, min, max),
            histogram: histogram(&ranks, (min, max), whole, bars.max(1)),
        })
    }
}

fn quantiles(ranks: &Ranks, min: f64, max: f64) -> Quantiles {
    let step = |step: usize| match step {
        0 => min,
        Quantiles::STEPS => max,
        _ => ranks.value_at((ranks.count() * step as u64).div_ceil(Quantiles::STEPS as u64)).unwrap_or(max),
    };
    Quantiles { grid: (0..=Quantiles::STEPS).map(step).collect(), rank_error: ranks.rank_error() }
}

fn histogram(ranks: &Ranks, (min, max): (f64, f64), whole: bool, bars: usize) -> Histogram {
    let edges: Vec<f64> = if whole && max - min < bars as f64 {
        (0..=(max - min) as usize + 1).map(|edge| min - 0.5 + edge as f64).collect()
    } else if min == max {
        vec![min, max]
    } else {
        let edge = |number: usize| match number {
            0 => min,
            _ if number == bars => max,
            // Not `max - min`, which can be beyond what a double holds.
            _ => min * (1.0 - number as f64 / bars as f64) + max * (number as f64 / bars as f64),
        };
        (0..=bars).map(edge).collect()
    };
    let last = edges.len() - 1;
    let below = |number: usize| if number == last { ranks.count() } else { ranks.below(edges[number]) };
    let counts = (0..last).map(|bar| below(bar + 1).saturating_sub(below(bar))).collect();
    Histogram { edges, counts, error: ranks.between_error() }
}
