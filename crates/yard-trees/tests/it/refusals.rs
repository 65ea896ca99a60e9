//! What cannot be trained on is refused with its place; what merely teaches nothing is not.

use std::ops::ControlFlow;

use yard_trees::{
    BoostedTreesOptions, DecisionTreeOptions, EarlyStopping, Ended, ForestOutput, RegressionLoss, Targets,
    TrainingRun, TrainingSet, TreeMatrix, TreesError, train, train_decision_tree,
};

use crate::data::{Rows, boosted, run};

fn numbers<'a>(matrix: TreeMatrix<'a>, targets: &'a [f32]) -> Result<TrainingSet<'a>, TreesError> {
    TrainingSet::new(matrix, Targets::Numbers(targets))
}

#[test]
fn matrices_that_teach_nothing_are_refused_with_the_place() {
    let refusal = |rows, columns, values: &[f32]| TreeMatrix::new(rows, columns, values).unwrap_err();
    assert_eq!(refusal(0, 3, &[]), TreesError::NoRows);
    assert_eq!(refusal(3, 0, &[]), TreesError::NoColumns);
    assert_eq!(refusal(2, 2, &[0.0; 3]), TreesError::Shape { values: 3, rows: 2, columns: 2 });
    assert_eq!(
        refusal(2, 2, &[0.0, f32::NAN, 0.0, f32::NEG_INFINITY]),
        TreesError::InfiniteFeature { row: 1, column: 1 }
    );
    assert!(matches!(refusal(1 << 40, 1, &[]), TreesError::TooMany { what: "rows", .. }));
}

#[test]
fn targets_and_weights_that_cannot_be_learned_are_refused_with_the_place() {
    let matrix = TreeMatrix::new(3, 1, &[1.0, 2.0, 3.0]).unwrap();
    for bad in [f32::NAN, f32::INFINITY, 2e37] {
        let error = numbers(matrix, &[0.0, 1.0, bad]).unwrap_err();
        assert!(matches!(error, TreesError::Target { row: 2, .. }), "{error:?}");
    }
    let error = numbers(matrix, &[0.0]).unwrap_err();
    assert_eq!(error, TreesError::Length { what: "targets", found: 1, rows: 3 });
    let classes = |codes| TrainingSet::new(matrix, Targets::Classes { codes, classes: 2 });
    assert_eq!(classes(&[0, 1, 2]).unwrap_err(), TreesError::UnknownClass { row: 2, class: 2, classes: 2 });

    let one_class = classes(&[1, 1, 1]).unwrap();
    let verdict = train(&TrainingRun::new(one_class), &BoostedTreesOptions::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(verdict.unwrap_err(), TreesError::OneClass { class: 1 });
    let verdict = train_decision_tree(&one_class, &DecisionTreeOptions::default());
    assert_eq!(verdict.unwrap_err(), TreesError::OneClass { class: 1 });

    let set = classes(&[0, 1, 1]).unwrap();
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let error = set.with_weights(&[1.0, bad, 1.0]).unwrap_err();
        assert!(matches!(error, TreesError::Weight { row: 1, .. }), "{error:?}");
    }
    assert_eq!(set.with_weights(&[0.0; 3]).unwrap_err(), TreesError::NoWeight);
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let d = BoostedTreesOptions::default;
    let stopping = |patience, min_delta| Some(EarlyStopping { patience, min_delta });
    let cases = [
        ("rounds", BoostedTreesOptions { rounds: 0, ..d() }),
        ("learning_rate", BoostedTreesOptions { learning_rate: 0.0, ..d() }),
        ("learning_rate", BoostedTreesOptions { learning_rate: f64::NAN, ..d() }),
        ("max_leaves", BoostedTreesOptions { max_leaves: 1, ..d() }),
        ("max_depth", BoostedTreesOptions { max_depth: Some(65), ..d() }),
        ("min_leaf_rows", BoostedTreesOptions { min_leaf_rows: 0, ..d() }),
        ("min_leaf_hessian", BoostedTreesOptions { min_leaf_hessian: -1.0, ..d() }),
        ("l2", BoostedTreesOptions { l2: f64::INFINITY, ..d() }),
        ("min_gain", BoostedTreesOptions { min_gain: f64::NAN, ..d() }),
        ("bins", BoostedTreesOptions { bins: 256, ..d() }),
        ("row_fraction", BoostedTreesOptions { row_fraction: 1.1, ..d() }),
        ("column_fraction", BoostedTreesOptions { column_fraction: 0.0, ..d() }),
        ("huber delta", BoostedTreesOptions { loss: RegressionLoss::Huber { delta: 0.0 }, ..d() }),
        ("early_stopping.patience", BoostedTreesOptions { early_stopping: stopping(0, 0.0), ..d() }),
        ("early_stopping.min_delta", BoostedTreesOptions { early_stopping: stopping(1, -1.0), ..d() }),
    ];
    for (name, options) in cases {
        let error = options.check().unwrap_err();
        assert!(matches!(&error, TreesError::Option { option, .. } if *option == name), "{name}: {error}");
    }
    let tree = DecisionTreeOptions { min_split_rows: 1, ..DecisionTreeOptions::default() };
    assert!(tree.check().unwrap_err().to_string().contains("min_split_rows"));
}

#[test]
fn validation_rows_must_fit_the_training_rows() {
    let (training, options) = (Rows::made_up(50, 3, 2), BoostedTreesOptions::default());
    let verdict = |validation: Option<&Rows>, options: &BoostedTreesOptions| {
        let validation = validation.map(Rows::training_set);
        let run = TrainingRun { validation, ..TrainingRun::new(training.training_set()) };
        train(&run, options, &mut |_| ControlFlow::Continue(())).unwrap_err()
    };
    let wider = Rows::made_up(50, 4, 2);
    assert_eq!(verdict(Some(&wider), &options), TreesError::OtherColumns { expected: 3, found: 4 });
    for classes in [0, 3] {
        assert_eq!(verdict(Some(&Rows::made_up(50, 3, classes)), &options), TreesError::OtherTargets);
    }
    let early_stopping = Some(EarlyStopping { patience: 3, min_delta: 0.0 });
    let stopping = BoostedTreesOptions { early_stopping, ..options };
    assert_eq!(verdict(None, &stopping), TreesError::NoValidation);
}

#[test]
fn constant_features_and_targets_are_fine() {
    let mut rows = Rows::made_up(60, 2, 0);
    rows.features.fill(4.0);
    let outcome = run(&TrainingRun::new(rows.training_set()), &BoostedTreesOptions::default());
    assert_eq!((outcome.ended, outcome.forest.rounds()), (Ended::NothingToSplit, 1));
    let mean = rows.numbers.iter().sum::<f32>() / 60.0;
    assert!((outcome.forest.predict(&[4.0, 9.0]).unwrap()[0] - mean).abs() < 1e-4);

    let mut rows = Rows::made_up(60, 2, 0);
    rows.numbers.fill(0.1);
    for options in [
        BoostedTreesOptions::default(),
        BoostedTreesOptions { row_fraction: 0.5, rounds: 3, ..BoostedTreesOptions::default() },
    ] {
        let forest = boosted(&rows, &options);
        assert_eq!(forest.predict(&rows.features).unwrap(), rows.numbers);
    }
    let forest = train_decision_tree(&rows.training_set(), &DecisionTreeOptions::default()).unwrap();
    assert_eq!((forest.predict(&[1.0, f32::NAN]).unwrap(), forest.leaves()), (vec![0.1], 1));
}

#[test]
fn columns_of_missing_values_only_and_a_class_without_rows_are_fine() {
    let mut rows = Rows::made_up(200, 3, 2);
    for row in rows.features.chunks_mut(3) {
        row[1] = f32::NAN;
    }
    rows.classes = 3;
    let forest = boosted(&rows, &BoostedTreesOptions::default());
    assert_eq!(forest.output(), ForestOutput::Scores { classes: 3 });
    let predictions = forest.predict(&rows.features).unwrap();
    for row in predictions.chunks(3) {
        assert!(row[2] < 1e-3 && (row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
    }
    assert_eq!(forest.importance()[1].splits, 0);
}

#[test]
fn rows_of_another_width_are_refused() {
    let forest = boosted(&Rows::made_up(50, 3, 0), &BoostedTreesOptions::default());
    assert!(matches!(forest.predict(&[0.0; 4]).unwrap_err(), TreesError::Shape { columns: 3, .. }));
    assert_eq!(forest.predict(&[]).unwrap(), Vec::<f32>::new());
}
