//! Which rows are learned from, which are watched meanwhile, which are kept for the end.

use crate::draw::{Draw, draw};
use crate::error::DataError;

/// Row numbers of the three parts, each in ascending order; no row is in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Watched while learning: early stopping, the choice between checkpoints.
    pub validation: Vec<usize>,
    /// Kept for the last figure.
    pub test: Vec<usize>,
}

/// One turn of a cross-validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Learned from, in ascending order.
    pub train: Vec<usize>,
    /// Measured on, in ascending order.
    pub held_out: Vec<usize>,
}

/// How large the parts are, as shares that add up to 1 at most; rows beyond that are in no part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitShares {
    /// Learned from; more than 0.
    pub train: f64,
    /// Watched while learning.
    pub validation: f64,
    /// Kept for the last figure.
    pub test: f64,
}

impl Default for SplitShares {
    fn default() -> Self {
        Self { train: 0.7, validation: 0.15, test: 0.15 }
    }
}

/// Shares like 0.7 have no exact form: so much too little is still a whole row.
const ROUNDING: f64 = 1e-9;

impl Split {
    /// Draws the parts by chance; the same seed gives the same parts.
    ///
    /// With `classes`, one number for each row, every part gets its share of every class, to within one row. A class
    /// with a single row is learned from. Every part whose share is not 0 gets a row, or there are too few.
    pub fn draw(
        rows: usize,
        classes: Option<&[u32]>,
        shares: SplitShares,
        seed: u64,
    ) -> Result<Self, DataError> {
        let shares = [shares.train, shares.validation, shares.test];
        let sum: f64 = shares.iter().sum();
        let valid = shares.iter().all(|share| (0.0..=1.0).contains(share)) && sum <= 1.0 + ROUNDING;
        if !valid || shares[0] == 0.0 {
            let problem = format!(
                "the shares of a split must be from 0 to 1, add up to 1 at most and leave something to train on; \
                 they are train = {}, validation = {}, test = {}",
                shares[0], shares[1], shares[2]
            );
            return Err(DataError::Invalid { problem });
        }
        let mut source = draw(seed, "split", 0);
        let mut parts: [Vec<usize>; 3] = Default::default();
        // What each part is short of so far: rounding in one class is made good in the next.
        let mut short = [0.0; 3];
        for members in shuffled_classes(rows, classes, &mut source)? {
            let counts = counts(members.len(), shares, sum, &mut short);
            let mut members = members.into_iter();
            for (part, count) in parts.iter_mut().zip(counts) {
                part.extend(members.by_ref().take(count));
            }
        }
        for (share, part) in shares.iter().zip(&mut parts) {
            if *share > 0.0 && part.is_empty() {
                let purpose = "for parts of these shares: every part needs one".to_owned();
                return Err(DataError::TooFewRows { rows, purpose });
            }
            part.sort_unstable();
        }
        let [train, validation, test] = parts;
        Ok(Self { train, validation, test })
    }
}

/// How many of so many rows each part gets: its share rounded down, and one more for those that are shortest.
fn counts(rows: usize, shares: [f64; 3], sum: f64, short: &mut [f64; 3]) -> [usize; 3] {
    let wanted = shares.map(|share| share * rows as f64);
    let mut counts = wanted.map(|wanted| (wanted + ROUNDING).floor() as usize);
    let all = (sum * rows as f64 + 0.5 + ROUNDING).floor().min(rows as f64) as usize;
    let mut left = all.saturating_sub(counts.iter().sum());
    for part in 0..3 {
        short[part] += wanted[part] - counts[part] as f64;
    }
    if counts[0] == 0 && left > 0 {
        // A class that is never learned would be lost.
        counts[0] = 1;
        short[0] -= 1.0;
        left -= 1;
    }
    let mut order = [0, 1, 2];
    order.sort_by(|a, b| short[*b].total_cmp(&short[*a]));
    for part in order {
        let has_fraction = wanted[part] - counts[part] as f64 > ROUNDING;
        if left > 0 && has_fraction {
            counts[part] += 1;
            short[part] -= 1.0;
            left -= 1;
        }
    }
    counts
}

/// Divides the rows into folds by chance, each row held out exactly once; the same seed gives the same folds.
///
/// The sizes of folds differ by one row at most; with `classes`, so does the number of rows of each class.
pub fn folds(rows: usize, classes: Option<&[u32]>, count: usize, seed: u64) -> Result<Vec<Fold>, DataError> {
    if count < 2 {
        let problem = format!("cross-validation needs at least 2 folds, {count} were asked for");
        return Err(DataError::Invalid { problem });
    }
    if rows < count {
        return Err(DataError::TooFewRows { rows, purpose: format!("for {count} folds") });
    }
    let mut source = draw(seed, "folds", 0);
    let mut fold_of_row = vec![0; rows];
    // One class goes on dealing where the last one stopped, so that whole folds stay even too.
    for (dealt, row) in shuffled_classes(rows, classes, &mut source)?.into_iter().flatten().enumerate() {
        fold_of_row[row] = dealt % count;
    }
    let fold = |number: usize| {
        let (held_out, train) = (0..rows).partition(|row| fold_of_row[*row] == number);
        Fold { train, held_out }
    };
    Ok((0..count).map(fold).collect())
}

/// The rows of each class in random order, classes by number; one class where there are none.
fn shuffled_classes(
    rows: usize,
    classes: Option<&[u32]>,
    source: &mut Draw,
) -> Result<Vec<Vec<usize>>, DataError> {
    let mut order: Vec<usize> = (0..rows).collect();
    source.shuffle(&mut order);
    let Some(classes) = classes else {
        return Ok(vec![order]);
    };
    if classes.len() != rows {
        let problem = format!("{rows} rows cannot be divided by the classes of {} rows", classes.len());
        return Err(DataError::Invalid { problem });
    }
    // Stable, so the random order within a class is kept.
    order.sort_by_key(|row| classes[*row]);
    Ok(order.chunk_by(|a, b| classes[*a] == classes[*b]).map(<[usize]>::to_vec).collect())
}

#[cfg(test)]
mod tests;
