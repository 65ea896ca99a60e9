//! Figures of a regression.

use super::super::Metrics;

pub(super) fn figures(predictions: &[f32], wanted: &[f32]) -> Metrics {
    let count = wanted.len() as f64;
    let mean = of_all(wanted.iter().map(|number| f64::from(*number))) / count;
    let differences: Vec<f64> = wanted
        .iter()
        .zip(predictions)
        .map(|(wanted, found)| f64::from(*wanted) - f64::from(*found))
        .collect();
    let squares = of_all(differences.iter().map(|difference| difference * difference));
    let bias = of_all(differences.iter().copied()) / count;
    let unexplained = of_all(differences.iter().map(|difference| (difference - bias).powi(2)));
    let mut distances: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    distances.sort_by(f64::total_cmp);
    // Not by the sum: that of equal numbers is not exact, and a spread of rounding errors explains nothing.
    let is_constant = wanted.iter().all(|number| Some(number) == wanted.first());
    let spread = of_all(wanted.iter().map(|number| (f64::from(*number) - mean).powi(2)));
    let share = |rest: f64| match (is_constant, rest == 0.0) {
        (false, _) => 1.0 - rest / spread,
        (true, true) => 1.0,
        (true, false) => 0.0,
    };
    let mse = squares / count;
    Metrics::from([
        ("r2", share(squares)),
        ("explained_variance", share(unexplained)),
        ("mse", mse),
        ("rmse", mse.sqrt()),
        ("mae", of_all(distances.iter().copied()) / count),
        ("median_ae", median(&distances)),
        ("max_error", distances.last().copied().unwrap_or(f64::NAN)),
    ])
}

fn of_all(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.sum()
}

/// Of sorted numbers.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted {
        [] => f64::NAN,
        _ if sorted.len() % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}
