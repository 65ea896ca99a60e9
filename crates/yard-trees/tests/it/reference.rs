//! As good as scikit-learn on real data: `tests/reference/make.py` says how its figures come about.

use yard_trees::{
    BoostedTreesOptions, Criterion, DecisionTreeOptions, Forest, RegressionLoss, train_decision_tree,
};

use crate::data::{Rows, boosted, reference_file, width};

const FOLDS: usize = 4;
/// Half a point.
const NEAR: f64 = 0.005;

fn figure(set: &str, model: &str) -> f64 {
    let figures = reference_file("figures.csv");
    let line = figures.lines().find(|line| line.starts_with(&format!("{set},{model},"))).unwrap();
    line.rsplit(',').next().unwrap().parse().unwrap()
}

/// The score of predictions of all rows by forests that saw the other folds.
fn score_over_folds(rows: &Rows, train: impl Fn(&Rows) -> Forest) -> f64 {
    let mut predictions = Vec::new();
    for fold in 0..FOLDS {
        let forest = train(&rows.choose(|row| row % FOLDS != fold));
        let held_out = rows.choose(|row| row % FOLDS == fold);
        let predicted = forest.predict(&held_out.features).unwrap();
        let width = width(&forest);
        predictions.resize(rows.len() * width, 0.0);
        for (place, row) in predicted.chunks(width).enumerate() {
            let first = (place * FOLDS + fold) * width;
            predictions[first..first + width].copy_from_slice(row);
        }
    }
    rows.score(&predictions)
}

#[track_caller]
fn is_as_good(set: &str, model: &str, rows: &Rows, near: f64, train: impl Fn(&Rows) -> Forest) {
    let (ours, theirs) = (score_over_folds(rows, train), figure(set, model));
    // Shown by `--nocapture`.
    eprintln!("{set} {model}: {ours:.4}, scikit-learn {theirs:.4}");
    assert!(ours >= theirs - near, "{set} {model}: {ours:.4} is worse than scikit-learn's {theirs:.4}");
}

#[test]
fn boosted_trees_are_as_good_as_those_of_scikit_learn() {
    for set in ["breast_cancer", "diabetes", "digits", "wine"] {
        let train = |rows: &Rows| boosted(rows, &BoostedTreesOptions::default());
        is_as_good(set, "boosted", &Rows::of_set(set), NEAR, train);
    }
}

#[test]
fn boosted_trees_are_as_good_where_values_are_missing() {
    for set in ["breast_cancer", "diabetes", "digits"] {
        let train = |rows: &Rows| boosted(rows, &BoostedTreesOptions::default());
        is_as_good(set, "boosted_missing", &Rows::of_set(set).with_missing(), NEAR, train);
    }
}

#[test]
fn robust_losses_are_as_good_and_not_moved_by_outliers() {
    let with_loss = |loss| BoostedTreesOptions { loss, ..BoostedTreesOptions::default() };
    let absolute = with_loss(RegressionLoss::AbsoluteError);
    let huber = with_loss(RegressionLoss::Huber { delta: 50.0 });
    let rows = Rows::of_set("diabetes");
    is_as_good("diabetes", "boosted_absolute", &rows, NEAR, |rows| boosted(rows, &absolute));
    is_as_good("diabetes", "boosted", &rows, NEAR, |rows| boosted(rows, &huber));

    let mut with_outliers = rows.clone();
    for number in with_outliers.numbers.iter_mut().step_by(50) {
        *number = 1e5;
    }
    for options in [&absolute, &huber] {
        let predictions = boosted(&with_outliers, options).predict(&rows.features).unwrap();
        let score = rows.score(&predictions);
        assert!(score > 0.5, "{:?}: {score}", options.loss);
    }
}

#[test]
fn decision_trees_are_as_good_as_those_of_scikit_learn() {
    for (set, near) in [("breast_cancer", 0.01), ("diabetes", 0.05), ("digits", 0.01), ("wine", 0.02)] {
        for (model, max_depth) in [("tree", None), ("tree_depth_3", Some(3))] {
            let options = DecisionTreeOptions { max_depth, ..DecisionTreeOptions::default() };
            let train = |rows: &Rows| train_decision_tree(&rows.training_set(), &options).unwrap();
            is_as_good(set, model, &Rows::of_set(set), near, train);
        }
    }
}

#[test]
fn an_unlimited_decision_tree_knows_its_training_rows_by_heart() {
    for criterion in [Criterion::Gini, Criterion::Entropy] {
        let options = DecisionTreeOptions { criterion, ..DecisionTreeOptions::default() };
        for set in ["breast_cancer", "diabetes", "digits", "wine"] {
            let rows = Rows::of_set(set);
            let forest = train_decision_tree(&rows.training_set(), &options).unwrap();
            let score = rows.score(&forest.predict(&rows.features).unwrap());
            assert!(score > 1.0 - 1e-9, "{set}: {score}");
        }
    }
}
