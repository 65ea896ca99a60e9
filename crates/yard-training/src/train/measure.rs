//! Figures of predictions.

use yard_features::Targets;

use super::Metrics;

/// Probabilities below this count as this, so that one sure mistake does not make the loss infinite.
const LEAST_PROBABILITY: f64 = 1e-15;

/// Figures of probabilities or numbers, row by row, against what was to be foretold.
pub(super) fn measure(predictions: &[f32], targets: &Targets) -> Metrics {
    match targets {
        Targets::Numbers(numbers) => of_numbers(predictions, numbers),
        Targets::Classes(classes) => of_classes(predictions, classes),
    }
}

fn of_numbers(predictions: &[f32], wanted: &[f32]) -> Metrics {
    let count = wanted.len() as f64;
    let mean = wanted.iter().map(|number| f64::from(*number)).sum::<f64>() / count;
    let (mut squares, mut distances, mut spread) = (0.0, 0.0, 0.0);
    for (prediction, wanted) in predictions.iter().zip(wanted) {
        let difference = f64::from(*prediction) - f64::from(*wanted);
        squares += difference * difference;
        distances += difference.abs();
        spread += (f64::from(*wanted) - mean).powi(2);
    }
    // Of a constant there is nothing to explain.
    let r2 = match (spread > 0.0, squares == 0.0) {
        (true, _) => 1.0 - squares / spread,
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    let mse = squares / count;
    Metrics::from([("r2", r2), ("mse", mse), ("rmse", mse.sqrt()), ("mae", distances / count)])
}

fn of_classes(probabilities: &[f32], wanted: &[u32]) -> Metrics {
    let width = probabilities.len() / wanted.len().max(1);
    let mut right = 0.0;
    let mut loss = 0.0;
    // Rightly foretold, foretold, there: of each class.
    let mut tallies = vec![[0.0_f64; 3]; width];
    for (row, wanted) in probabilities.chunks_exact(width.max(1)).zip(wanted) {
        let wanted = *wanted as usize;
        let likeliest = likeliest(row);
        loss -= f64::from(row[wanted]).max(LEAST_PROBABILITY).ln();
        tallies[likeliest][1] += 1.0;
        tallies[wanted][2] += 1.0;
        if likeliest == wanted {
            right += 1.0;
            tallies[wanted][0] += 1.0;
        }
    }
    // As scikit-learn has it: classes that are neither there nor foretold do not count.
    let scores: Vec<f64> = tallies
        .iter()
        .filter(|[_, foretold, there]| foretold + there > 0.0)
        .map(|[both, foretold, there]| 2.0 * both / (foretold + there))
        .collect();
    let count = wanted.len() as f64;
    let f1 = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    Metrics::from([("accuracy", right / count), ("log_loss", loss / count), ("f1_macro", f1)])
}

/// The class of the highest probability; the first of equals.
fn likeliest(row: &[f32]) -> usize {
    let mut best = 0;
    for (class, probability) in row.iter().enumerate() {
        if *probability > row[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, expected: &[(&str, f64)]) {
        for (name, expected) in expected {
            let found = metrics[name];
            assert!((found - expected).abs() < 1e-12, "{name} is {found}, not {expected}");
        }
    }

    #[test]
    fn figures_of_numbers_are_those_of_scikit_learn() {
        let metrics = measure(&[2.5, 0.0, 2.0, 8.0], &Targets::Numbers(vec![3.0, -0.5, 2.0, 7.0]));
        let expected = [("r2", 0.948_608_137_044_967_9), ("mse", 0.375), ("mae", 0.5)];
        check(&metrics, &expected);
        let of_constant = measure(&[1.0, 2.0], &Targets::Numbers(vec![1.0, 1.0]));
        check(&of_constant, &[("r2", 0.0), ("mae", 0.5)]);
    }

    #[test]
    fn figures_of_classes_are_those_of_scikit_learn() {
        let probabilities = [0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.5, 0.25, 0.25];
        let metrics = measure(&probabilities, &Targets::Classes(vec![0, 1, 1]));
        let log_loss = (2.0 * 2.0_f64.ln() + 4.0_f64.ln()) / 3.0;
        check(&metrics, &[("accuracy", 2.0 / 3.0), ("log_loss", log_loss), ("f1_macro", 2.0 / 3.0)]);
    }
}
