use proptest::prelude::*;

use super::*;
use crate::TreeMatrix;

fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
    let value = prop_oneof![4 => (0..4_u8).prop_map(f32::from), 1 => Just(f32::NAN)];
    (2_usize..12).prop_flat_map(move |rows| {
        (prop::collection::vec(value.clone(), rows * 2), prop::collection::vec(0..3_u32, rows))
    })
}

/// The weighted impurity of some rows, from its definition.
fn impurity(targets: Targets<'_>, criterion: Criterion, rows: &[usize]) -> f64 {
    let count = rows.len() as f64;
    match targets {
        Targets::Numbers(numbers) => {
            let mean = rows.iter().map(|row| f64::from(numbers[*row])).sum::<f64>() / count;
            rows.iter().map(|row| (f64::from(numbers[*row]) - mean).powi(2)).sum()
        }
        Targets::Classes { codes, classes } => {
            let share =
                |class| rows.iter().filter(|row| codes[**row] as usize == class).count() as f64 / count;
            let term = |share: f64| match criterion {
                Criterion::Gini => share * (1.0 - share),
                Criterion::Entropy if share > 0.0 => -share * share.log2(),
                Criterion::Entropy => 0.0,
            };
            count * (0..classes).map(|class| term(share(class))).sum::<f64>()
        }
    }
}

/// The best gain of a first split, by trying every threshold with missing values on either side.
fn best_by_force(matrix: &TreeMatrix<'_>, targets: Targets<'_>, criterion: Criterion) -> Option<f64> {
    let all: Vec<usize> = (0..matrix.rows()).collect();
    let mut best: Option<f64> = None;
    for column in 0..matrix.columns() {
        for threshold in [0.5, 1.5, 2.5, f32::INFINITY] {
            for missing_left in [false, true] {
                let goes_left = |row: &usize| {
                    let value = matrix.row(*row)[column];
                    if value.is_nan() { missing_left } else { value <= threshold }
                };
                let (left, right): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| goes_left(row));
                if left.is_empty() || right.is_empty() {
                    continue;
                }
                let after = impurity(targets, criterion, &left) + impurity(targets, criterion, &right);
                let gain = impurity(targets, criterion, &all) - after;
                best = Some(best.map_or(gain, |best| best.max(gain)));
            }
        }
    }
    best
}

proptest! {
    #[test]
    fn no_other_first_split_gains_more((values, codes) in rows()) {
        let matrix = TreeMatrix::new(codes.len(), 2, &values).unwrap();
        let numbers: Vec<f32> = codes.iter().map(|code| *code as f32 * 1.5).collect();
        for targets in [Targets::Numbers(&numbers), Targets::Classes { codes: &codes, classes: 3 }] {
            if targets.check_variety().is_err() {
                continue;
            }
            let set = TrainingSet::new(matrix, targets).unwrap();
            for criterion in [Criterion::Gini, Criterion::Entropy] {
                let options = DecisionTreeOptions { criterion, ..DecisionTreeOptions::default() };
                let forest = train_decision_tree(&set, &options).unwrap();
                let pure = codes.iter().all(|code| *code == codes[0]);
                let expected = best_by_force(&matrix, targets, criterion).filter(|_| !pure);
                let found = match &forest.trees[0].nodes[0] {
                    Node::Split(split) => Some(split.gain * codes.len() as f64),
                    Node::Leaf(_) => None,
                };
                prop_assert_eq!(found.is_some(), expected.is_some());
                if let (Some(found), Some(expected)) = (found, expected) {
                    prop_assert!((found - expected).abs() < 1e-9, "{} {}", found, expected);
                }
            }
        }
    }
}

#[test]
fn exclusive_or_is_learned_though_its_first_split_gains_nothing() {
    let matrix = TreeMatrix::new(4, 2, &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]).unwrap();
    let set = TrainingSet::new(matrix, Targets::Classes { codes: &[0, 1, 1, 0], classes: 2 }).unwrap();
    let forest = train_decision_tree(&set, &DecisionTreeOptions::default()).unwrap();
    let expected = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
    assert_eq!(forest.predict(matrix.values()).unwrap(), expected);
}

#[test]
fn limits_hold() {
    let values: Vec<f32> = (0..64).map(|value| value as f32).collect();
    let numbers: Vec<f32> = values.iter().map(|value| value * value).collect();
    let matrix = TreeMatrix::new(64, 1, &values).unwrap();
    let set = TrainingSet::new(matrix, Targets::Numbers(&numbers)).unwrap();
    let leaves = |options: DecisionTreeOptions| train_decision_tree(&set, &options).unwrap().leaves();
    let default = DecisionTreeOptions::default;
    assert_eq!(leaves(default()), 64);
    assert_eq!(leaves(DecisionTreeOptions { max_depth: Some(3), ..default() }), 8);
    assert!(leaves(DecisionTreeOptions { min_leaf_rows: 10, ..default() }) <= 6);
    assert!(leaves(DecisionTreeOptions { min_split_rows: 33, ..default() }) <= 4);
    assert!(leaves(DecisionTreeOptions { min_gain: 1e5, ..default() }) < 6);
}

#[test]
fn a_weight_of_two_is_a_row_that_is_there_twice() {
    let (values, codes) = ([1.0, 2.0, 2.0, 3.0], [0, 1, 0, 1]);
    let once = TrainingSet::new(
        TreeMatrix::new(4, 1, &values).unwrap(),
        Targets::Classes { codes: &codes, classes: 2 },
    )
    .unwrap();
    let weighted = once.with_weights(&[1.0, 2.0, 1.0, 0.0]).unwrap();
    let forest = train_decision_tree(&weighted, &DecisionTreeOptions::default()).unwrap();
    let shares = forest.predict(&[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(shares, [1.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0]);
}
