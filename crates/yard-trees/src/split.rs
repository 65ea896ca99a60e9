//! The best split of a node, by second-order gain.

use crate::{BoostedTreesOptions, histogram::Sums};

/// Differences below this part of what is compared are rounding.
const ROUNDING: f64 = 1e-12;

/// What a split must fulfil.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    min_rows: u32,
    min_second: f64,
    l2: f64,
    min_gain: f64,
}

/// A possible split of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) column: usize,
    /// The last bin that goes left.
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    pub(crate) gain: f64,
    /// What goes left.
    pub(crate) left: Sums,
}

impl Limits {
    pub(crate) fn new(options: &BoostedTreesOptions) -> Self {
        Self {
            min_rows: u32::try_from(options.min_leaf_rows).unwrap_or(u32::MAX),
            min_second: options.min_leaf_hessian,
            l2: options.l2,
            min_gain: options.min_gain,
        }
    }

    /// Whether a node is large enough for two leaves.
    pub(crate) fn allow_split_of(&self, sums: &Sums) -> bool {
        sums.rows / 2 >= self.min_rows && sums.second >= 2.0 * self.min_second
    }

    fn allow_leaf(&self, sums: &Sums) -> bool {
        sums.rows >= self.min_rows && sums.second >= self.min_second
    }

    /// The score that makes the loss of these rows least, to second order.
    pub(crate) fn best_value(&self, sums: &Sums) -> f64 {
        let weight = sums.second + self.l2;
        if weight > 0.0 { -sums.first / weight } else { 0.0 }
    }

    /// By how much that lowers the loss.
    fn drop(&self, sums: &Sums) -> f64 {
        -0.5 * sums.first * self.best_value(sums)
    }

    fn gain(&self, whole: &Sums, left: &Sums, right: &Sums) -> Option<f64> {
        if !(self.allow_leaf(left) && self.allow_leaf(right)) {
            return None;
        }
        let (drops, before) = (self.drop(left) + self.drop(right), self.drop(whole));
        let gain = drops - before;
        (gain > self.min_gain && gain > drops * ROUNDING).then_some(gain)
    }
}

/// The best split by one column, whose last cell is that of missing values. The first of equal ones wins.
pub(crate) fn best_of_column(
    column: usize,
    cells: &[Sums],
    whole: &Sums,
    limits: &Limits,
) -> Option<Candidate> {
    let (missing, known) = cells.split_last()?;
    let mut best: Option<Candidate> = None;
    let mut consider = |bin: usize, missing_left: bool, left: Sums| {
        let right = whole.minus(left);
        let Some(gain) = limits.gain(whole, &left, &right) else { return };
        if best.is_none_or(|best| gain > best.gain) {
            // Where nothing was missing, a missing value goes where most rows went.
            let missing_left = if missing.rows == 0 { left.rows > right.rows } else { missing_left };
            best = Some(Candidate { column, bin: bin as u8, missing_left, gain, left });
        }
    };
    let mut left = Sums::default();
    for (bin, cell) in known.iter().enumerate() {
        if cell.rows == 0 {
            continue;
        }
        left = left.plus(*cell);
        // Behind the last bin this splits the missing values from all others.
        consider(bin, false, left);
        if missing.rows > 0 {
            consider(bin, true, left.plus(*missing));
        }
    }
    best
}

#[cfg(test)]
mod tests;
