//! What boosting makes small: gradients, where to begin, and what a leaf adds.

use crate::{
    ForestOutput, RegressionLoss, Targets, TrainingSet,
    forest::log_sum_of_powers,
    grid::Grid,
    histogram::{Gradient, Sums},
    split::Limits,
};

/// Classes without rows begin at this share and not at none, whose logarithm is infinite.
const LEAST_SHARE: f64 = 1e-7;
/// Scores of classes are logarithms of odds: beyond this the probability is zero or one in `f32`.
const SCORE_SPREAD: f64 = 16.0;
/// No gradient may overflow `f32`.
const LARGEST_GRADIENT: f64 = 1e38;

/// A loss over a set of rows, with the score that all of them begin with.
///
/// Scores are kept as sums of leaves without that base: adding it last is what engines do.
#[derive(Debug, Clone)]
pub(crate) struct Objective<'a> {
    set: TrainingSet<'a>,
    loss: RegressionLoss,
    output: ForestOutput,
    base: Vec<f32>,
}

impl<'a> Objective<'a> {
    pub(crate) fn new(set: TrainingSet<'a>, loss: RegressionLoss) -> Self {
        let (output, base) = match set.targets() {
            Targets::Numbers(numbers) => (ForestOutput::Number, vec![central_number(&set, numbers, loss)]),
            Targets::Classes { codes, classes } => {
                (ForestOutput::Scores { classes }, central_scores(&set, codes, classes))
            }
        };
        Self { set, loss, output, base }
    }

    /// The same loss, begun at the same score, over other rows.
    pub(crate) fn over<'b>(&self, set: TrainingSet<'b>) -> Objective<'b> {
        Objective { set, loss: self.loss, output: self.output, base: self.base.clone() }
    }

    pub(crate) const fn output(&self) -> ForestOutput {
        self.output
    }

    pub(crate) fn base(&self) -> &[f32] {
        &self.base
    }

    /// The grid that leaves must lie on so that scores are exact.
    pub(crate) fn grid(&self) -> Grid {
        let spread = match self.set.targets() {
            Targets::Numbers(numbers) => {
                let base = f64::from(self.base[0]);
                numbers.iter().fold(0.0, |spread: f64, number| spread.max((f64::from(*number) - base).abs()))
            }
            Targets::Classes { .. } => SCORE_SPREAD,
        };
        Grid::for_spread(spread)
    }

    /// For each row the logarithm of what its classes' powers sum to; empty unless there are more than two.
    pub(crate) fn normalisers(&self, sums: &[f32]) -> Vec<f64> {
        if self.base.len() == 1 {
            return Vec::new();
        }
        sums.chunks_exact(self.base.len()).map(|sums| log_sum_of_powers(self.scores(sums))).collect()
    }

    /// The gradients of all rows by one of their scores.
    pub(crate) fn gradients(&self, sums: &[f32], score: usize, normalisers: &[f64], out: &mut Vec<Gradient>) {
        let width = self.base.len();
        out.clear();
        out.extend((0..self.set.matrix().rows()).map(|row| {
            let value = f64::from(sums[row * width + score] + self.base[score]);
            let (first, second) = match self.set.targets() {
                Targets::Numbers(numbers) => (self.slope(value - f64::from(numbers[row])), 1.0),
                Targets::Classes { codes, .. } if width == 1 => {
                    logistic(1.0 / (1.0 + (-value).exp()), codes[row] == 1)
                }
                Targets::Classes { codes, .. } => {
                    logistic((value - normalisers[row]).exp(), codes[row] as usize == score)
                }
            };
            let weight = self.set.weight(row);
            let first = (first * weight).clamp(-LARGEST_GRADIENT, LARGEST_GRADIENT);
            Gradient { first: first as f32, second: (second * weight) as f32 }
        }));
    }

    /// What makes the loss of the rows of a leaf least, before the learning rate.
    pub(crate) fn leaf_value(&self, limits: &Limits, sums: &[f32], totals: &Sums, rows: &[u32]) -> f64 {
        let Targets::Numbers(numbers) = self.set.targets() else { return limits.best_value(totals) };
        let (RegressionLoss::AbsoluteError | RegressionLoss::Huber { .. }) = self.loss else {
            return limits.best_value(totals);
        };
        let residual = |row: &u32| {
            let row = *row as usize;
            (f64::from(numbers[row]) - f64::from(sums[row] + self.base[0]), self.set.weight(row))
        };
        robust_centre(rows.iter().map(residual).collect(), self.loss)
    }

    /// The mean over all rows.
    pub(crate) fn mean_loss(&self, sums: &[f32]) -> f64 {
        let (mut total, mut weights) = (0.0, 0.0);
        for (row, sums) in sums.chunks_exact(self.base.len()).enumerate() {
            let weight = self.set.weight(row);
            weights += weight;
            total += weight * self.loss_of_row(row, sums);
        }
        if weights > 0.0 { total / weights } else { 0.0 }
    }

    fn loss_of_row(&self, row: usize, sums: &[f32]) -> f64 {
        let first = f64::from(sums[0] + self.base[0]);
        match self.set.targets() {
            Targets::Numbers(numbers) => {
                let error = (first - f64::from(numbers[row])).abs();
                match self.loss {
                    RegressionLoss::SquaredError => error * error,
                    RegressionLoss::AbsoluteError => error,
                    RegressionLoss::Huber { delta } if error > delta => delta * (error - 0.5 * delta),
                    RegressionLoss::Huber { .. } => 0.5 * error * error,
                }
            }
            Targets::Classes { codes, .. } if sums.len() == 1 => {
                let towards = if codes[row] == 1 { -first } else { first };
                towards.max(0.0) + (-towards.abs()).exp().ln_1p()
            }
            Targets::Classes { codes, .. } => {
                let class = codes[row] as usize;
                log_sum_of_powers(self.scores(sums)) - f64::from(sums[class] + self.base[class])
            }
        }
    }

    fn scores(&self, sums: &[f32]) -> impl Iterator<Item = f32> + Clone {
        sums.iter().zip(&self.base).map(|(sum, base)| sum + base)
    }

    /// The derivative of the loss by an error.
    fn slope(&self, error: f64) -> f64 {
        match self.loss {
            RegressionLoss::SquaredError => error,
            RegressionLoss::AbsoluteError if error == 0.0 => 0.0,
            RegressionLoss::AbsoluteError => error.signum(),
            RegressionLoss::Huber { delta } => error.clamp(-delta, delta),
        }
    }
}

/// The derivatives of the logistic loss by the score of a class.
fn logistic(probability: f64, is_class: bool) -> (f64, f64) {
    let truth = if is_class { 1.0 } else { 0.0 };
    (probability - truth, probability * (1.0 - probability))
}

fn central_number(set: &TrainingSet<'_>, numbers: &[f32], loss: RegressionLoss) -> f32 {
    let weighted = numbers.iter().enumerate().map(|(row, number)| (f64::from(*number), set.weight(row)));
    let centre = match loss {
        RegressionLoss::SquaredError => {
            let (sum, weights) = weighted.fold((0.0, 0.0), |(sum, weights), (number, weight)| {
                (sum + number * weight, weights + weight)
            });
            sum / weights
        }
        RegressionLoss::AbsoluteError | RegressionLoss::Huber { .. } => {
            robust_centre(weighted.collect(), loss)
        }
    };
    centre as f32
}

/// Logarithms of the classes' shares, about zero; of two classes the odds of the second.
fn central_scores(set: &TrainingSet<'_>, codes: &[u32], classes: usize) -> Vec<f32> {
    let mut weights = vec![0.0; classes];
    for (row, code) in codes.iter().enumerate() {
        weights[*code as usize] += set.weight(row);
    }
    let total: f64 = weights.iter().sum();
    let logarithms: Vec<f64> =
        weights.iter().map(|weight| (weight / total).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE).ln()).collect();
    if let [first, second] = logarithms[..] {
        return vec![(second - first) as f32];
    }
    let mean = logarithms.iter().sum::<f64>() / classes as f64;
    logarithms.iter().map(|logarithm| (logarithm - mean) as f32).collect()
}

/// The weighted median, and for Huber's loss one step from there to its minimum.
fn robust_centre(mut weighted: Vec<(f64, f64)>, loss: RegressionLoss) -> f64 {
    let median = median(&mut weighted);
    let RegressionLoss::Huber { delta } = loss else { return median };
    let (mut sum, mut weights) = (0.0, 0.0);
    for (value, weight) in weighted {
        sum += weight * (value - median).clamp(-delta, delta);
        weights += weight;
    }
    if weights > 0.0 { median + sum / weights } else { median }
}

/// The value with half the weight on either side; the middle of two such.
fn median(weighted: &mut Vec<(f64, f64)>) -> f64 {
    weighted.retain(|(_, weight)| *weight > 0.0);
    weighted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let half = weighted.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (place, (value, weight)) in weighted.iter().enumerate() {
        below += weight;
        if below > half {
            return *value;
        }
        if below == half
            && let Some((next, _)) = weighted.get(place + 1)
        {
            return f64::midpoint(*value, *next);
        }
    }
    weighted.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests;
