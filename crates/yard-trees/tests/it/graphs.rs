//! The exported graph in ONNX Runtime: the same leaf for every row, missing values and ties included.

use std::{env, fs, path::PathBuf, sync::OnceLock};

use yard_engine::{Engine, LoadOptions, ModelPackage, RowJoining, RunControl};
use yard_engine_onnx::{OnnxRuntime, find_library};
use yard_onnx::GraphBuilder;
use yard_trees::{
    BoostedTreesOptions, DecisionTreeOptions, Forest, RegressionLoss, TreeMatrix, train_decision_tree,
};
use yard_types::{DataType, Dim, Tensor, TensorData};

use crate::data::{Rows, boosted, width};

/// ONNX Runtime, which `cargo xtask setup` installs.
fn onnx_runtime() -> &'static OnnxRuntime {
    static ENGINE: OnceLock<OnnxRuntime> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("MODELYARD_HOME")
            .or_else(|| variable("XDG_DATA_HOME").map(|data| data.join("modelyard")))
            .or_else(|| variable("HOME").map(|home| home.join(".local/share/modelyard")));
        let candidates: Vec<PathBuf> =
            home.map(|home| home.join("engines/onnxruntime")).into_iter().collect();
        let library = find_library(variable("ORT_DYLIB_PATH").as_deref(), &candidates)
            .expect("ONNX Runtime is not installed: run `cargo xtask setup`");
        OnnxRuntime::open(&library).expect("ONNX Runtime cannot be opened")
    })
}

fn graph(forest: &Forest) -> Vec<u8> {
    let shape = |inner| [Dim::Symbol("batch".to_owned()), Dim::Fixed(inner)];
    let graph = GraphBuilder::new(18).input("features", DataType::Fp32, &shape(forest.columns())[..]);
    forest
        .emit(graph, "features", "prediction")
        .output("prediction", DataType::Fp32, &shape(width(forest))[..])
        .into_bytes()
}

/// What the engine says about all rows, with the rows in one batch and one by one.
fn served(forest: &Forest, values: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.onnx"), graph(forest)).unwrap();
    let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
    let model = onnx_runtime().load(&package, &LoadOptions::default()).unwrap();
    assert!(matches!(model.row_joining(), RowJoining::Plausible), "{:?}", model.row_joining());
    let predict = |values: &[f32]| {
        let shape = vec![values.len() / forest.columns(), forest.columns()];
        let input = Tensor::new(shape, TensorData::Fp32(values.to_vec())).unwrap();
        let outputs = model.predict(&[input], &RunControl::new()).unwrap();
        let TensorData::Fp32(values) = outputs[0].data() else { panic!("{outputs:?}") };
        values.clone()
    };
    (predict(values), values.chunks(forest.columns()).flat_map(predict).collect())
}

/// Leaves' sums must agree to the bit; softmax may round otherwise.
#[track_caller]
fn agrees(what: &str, forest: &Forest, values: &[f32], tolerance: f32) {
    let ours = forest.predict(values).unwrap();
    let (batch, single) = served(forest, values);
    for theirs in [batch, single] {
        assert_eq!(ours.len(), theirs.len(), "{what}");
        for (place, (our, their)) in ours.iter().zip(&theirs).enumerate() {
            let row = place / width(forest);
            assert!((our - their).abs() <= tolerance, "{what}, row {row}: {our} here, {their} there");
        }
    }
}

/// The rows themselves, and rows of the thresholds' own values, their neighbours, infinities and missing values.
fn hard_rows(rows: &Rows) -> Vec<f32> {
    let mut values = rows.features.clone();
    let matrix = TreeMatrix::new(rows.len(), rows.columns, &rows.features).unwrap();
    for shift in [0.5, 0.5_f32.next_down(), 0.5_f32.next_up(), 0.0, -0.0] {
        values.extend(matrix.values().iter().take(200 * rows.columns).map(|value| {
            let near = value + shift;
            if shift > 0.5 { near.next_up() } else { near }
        }));
    }
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0] {
        values.extend(std::iter::repeat_n(special, rows.columns));
    }
    values
}

const SHARES: f32 = 1e-6;

#[test]
fn regression_agrees_with_the_engine_to_the_bit() {
    let losses =
        [RegressionLoss::SquaredError, RegressionLoss::AbsoluteError, RegressionLoss::Huber { delta: 4.0 }];
    let rows = Rows::made_up(600, 7, 0);
    for loss in losses {
        let options = BoostedTreesOptions { loss, ..BoostedTreesOptions::default() };
        agrees("made up", &boosted(&rows, &options), &hard_rows(&rows), 0.0);
    }
    for rows in [Rows::of_set("diabetes"), Rows::of_set("diabetes").with_missing()] {
        let forest = boosted(&rows, &BoostedTreesOptions::default());
        agrees("diabetes", &forest, &hard_rows(&rows), 0.0);
    }
}

#[test]
fn classification_agrees_with_the_engine() {
    for classes in [2, 3, 10] {
        let rows = Rows::made_up(600, 7, classes);
        let forest = boosted(&rows, &BoostedTreesOptions::default());
        agrees(&format!("{classes} classes"), &forest, &hard_rows(&rows), SHARES);
    }
    for set in ["breast_cancer", "digits", "wine"] {
        let rows = Rows::of_set(set).with_missing();
        let options = BoostedTreesOptions { rounds: 30, ..BoostedTreesOptions::default() };
        agrees(set, &boosted(&rows, &options), &hard_rows(&rows), SHARES);
    }
}

#[test]
fn decision_trees_agree_with_the_engine_to_the_bit() {
    for classes in [0, 2, 10] {
        let rows = Rows::made_up(600, 7, classes);
        let forest = train_decision_tree(&rows.training_set(), &DecisionTreeOptions::default()).unwrap();
        agrees(&format!("{classes} classes"), &forest, &hard_rows(&rows), 0.0);
    }
}

#[test]
fn trees_of_one_leaf_are_served_too() {
    for classes in [0, 2, 3] {
        let mut rows = Rows::made_up(50, 2, classes);
        rows.features.fill(1.0);
        let forest = boosted(&rows, &BoostedTreesOptions::default());
        agrees("boosted", &forest, &rows.features, if classes == 0 { 0.0 } else { SHARES });
        let forest = train_decision_tree(&rows.training_set(), &DecisionTreeOptions::default()).unwrap();
        agrees("tree", &forest, &rows.features, 0.0);
    }
}

#[test]
fn missing_values_alone_can_tell_rows_apart() {
    let mut rows = Rows { columns: 1, ..Rows::default() };
    for row in 0..100 {
        rows.features.push(if row % 2 == 0 { f32::NAN } else { 1.0 });
        rows.numbers.push(if row % 2 == 0 { -5.0 } else { 5.0 });
    }
    let forest = boosted(&rows, &BoostedTreesOptions::default());
    assert!(rows.score(&forest.predict(&rows.features).unwrap()) > 0.999);
    agrees("boosted", &forest, &hard_rows(&rows), 0.0);
    let forest = train_decision_tree(&rows.training_set(), &DecisionTreeOptions::default()).unwrap();
    assert_eq!(forest.predict(&rows.features).unwrap(), rows.numbers);
    agrees("tree", &forest, &hard_rows(&rows), 0.0);
}
