use super::*;
use crate::TreeMatrix;

const NUMBERS: [f32; 5] = [-3.0, 0.5, 1.0, 4.0, 30.0];
const CODES: [u32; 5] = [0, 1, 2, 1, 1];
const WEIGHTS: [f32; 5] = [1.0, 2.0, 0.5, 1.0, 3.0];
const FEATURES: [f32; 5] = [0.0; 5];

fn set(targets: Targets<'_>) -> TrainingSet<'_> {
    let matrix = TreeMatrix::new(5, 1, &FEATURES).unwrap();
    TrainingSet::new(matrix, targets).unwrap().with_weights(&WEIGHTS).unwrap()
}

/// Gradients are what the loss does when a score moves a little.
#[track_caller]
fn check_gradients(targets: Targets<'_>, loss: RegressionLoss) {
    let objective = Objective::new(set(targets), loss);
    let width = objective.base().len();
    let sums: Vec<f32> = (0..5 * width).map(|place| (place as f32 * 1.3).sin() * 2.0).collect();
    let total: f64 = WEIGHTS.iter().map(|weight| f64::from(*weight)).sum();
    let normalisers = objective.normalisers(&sums);
    let mut gradients = Vec::new();
    for score in 0..width {
        objective.gradients(&sums, score, &normalisers, &mut gradients);
        for (row, gradient) in gradients.iter().enumerate() {
            let moved = |by: f32| {
                let mut sums = sums.clone();
                sums[row * width + score] += by;
                objective.mean_loss(&sums) * total
            };
            let step = 1.0 / 128.0;
            // The squared error is scaled by a half where it is derived.
            let scale = if matches!((targets, loss), (Targets::Numbers(_), RegressionLoss::SquaredError)) {
                0.5
            } else {
                1.0
            };
            let slope = scale * (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let first = f64::from(gradient.first);
            assert!((slope - first).abs() < 1e-3 * (1.0 + first.abs()), "{row}: {slope} {first}");
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for loss in
        [RegressionLoss::SquaredError, RegressionLoss::AbsoluteError, RegressionLoss::Huber { delta: 2.0 }]
    {
        check_gradients(Targets::Numbers(&NUMBERS), loss);
    }
    check_gradients(Targets::Classes { codes: &CODES, classes: 3 }, RegressionLoss::default());
    let codes = [0, 1, 1, 0, 1];
    check_gradients(Targets::Classes { codes: &codes, classes: 2 }, RegressionLoss::default());
}

#[test]
fn training_begins_at_the_best_constant() {
    let base = |loss| Objective::new(set(Targets::Numbers(&NUMBERS)), loss).base()[0];
    assert!((base(RegressionLoss::SquaredError) - 92.5 / 7.5).abs() < 1e-5);
    // Half of the weight of 7.5 is passed at the fourth number.
    assert_eq!(base(RegressionLoss::AbsoluteError), 4.0);
    let codes = [0, 1, 1, 0, 1];
    let odds = Objective::new(set(Targets::Classes { codes: &codes, classes: 2 }), RegressionLoss::default());
    assert!((odds.base()[0] - (5.5_f32 / 2.0).ln()).abs() < 1e-6);
}

#[test]
fn medians_know_weights_and_even_counts() {
    let median_of = |values: &[(f64, f64)]| median(&mut values.to_vec());
    assert_eq!(median_of(&[(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]), 2.0);
    assert_eq!(median_of(&[(3.0, 1.0), (1.0, 1.0), (2.0, 1.0), (10.0, 1.0)]), 2.5);
    assert_eq!(median_of(&[(3.0, 5.0), (1.0, 1.0), (2.0, 0.0)]), 3.0);
}
