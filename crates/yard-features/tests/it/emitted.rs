//! Random tables through `apply` and through the emitted graph in the engines that serve it.

use std::{fs, sync::Arc};

use proptest::{collection::vec, prelude::*};
use yard_data::{Column, Table, Values};
use yard_engine::{Engine, LoadOptions, LoadedModel, ModelPackage, RowJoining, RunControl};
use yard_engine_onnx::Rten;
use yard_features::{InputLayout, MissingNumbers, NumberScaling, Preparation, PreparationOptions};
use yard_onnx::{GraphBuilder, Model, ReadLimits};
use yard_types::{DataType, Dim, TensorData};

use crate::place::onnx_runtime;

fn column(name: String, values: Values) -> Column {
    Column { name, values }
}

/// Ordinary numbers, missing ones, extremes, and the same number again and again.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -1000.0..1000.0,
        2 => Just(f64::NAN),
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => prop_oneof![Just(1e30), Just(-1e30), Just(1e-30), Just(f64::from(f32::MIN_POSITIVE)), Just(1e-42)],
    ]
}

fn numbers(name: &'static str, rows: usize) -> impl Strategy<Value = Column> {
    prop_oneof![
        4 => vec(number(), rows),
        1 => number().prop_map(move |value| vec![value; rows]),
    ]
    .prop_map(move |values| column(name.to_owned(), Values::Numbers(values)))
}

fn categories(name: &'static str, rows: usize) -> impl Strategy<Value = Column> {
    let levels: Vec<String> = ["", "10", "9", "a b", "né\"", "x"].map(str::to_owned).to_vec();
    let code = prop_oneof![5 => 0..6_u32, 1 => Just(Values::MISSING)];
    vec(code, rows)
        .prop_map(move |codes| column(name.to_owned(), Values::Categories { codes, levels: levels.clone() }))
}

fn options(inputs: InputLayout) -> impl Strategy<Value = PreparationOptions> {
    use MissingNumbers::{Keep, Mean, Median, Zero};
    let scaling =
        prop::sample::select(vec![NumberScaling::Standardize, NumberScaling::MinMax, NumberScaling::None]);
    let missing = prop::sample::select(vec![Mean, Median, Zero, Keep]);
    (scaling, missing).prop_map(move |(numbers, missing_numbers)| PreparationOptions {
        numbers,
        missing_numbers,
        inputs,
        ..PreparationOptions::default()
    })
}

const ROWS: usize = 12;
/// The others are unseen.
const TRAINING_ROWS: usize = 7;

fn of_numbers() -> impl Strategy<Value = Table> {
    (numbers("a", ROWS), numbers("b", ROWS), numbers("prediction", ROWS))
        .prop_map(|(a, b, c)| Table { rows: ROWS, columns: vec![a, b, c] })
}

fn mixed() -> impl Strategy<Value = Table> {
    (categories("colour", ROWS), numbers("size", ROWS), categories("of what", ROWS), numbers("é", ROWS))
        .prop_map(|(a, b, c, d)| Table { rows: ROWS, columns: vec![a, b, c, d] })
}

/// A model that gives the prepared value.
fn emitted(preparation: &Preparation) -> Vec<u8> {
    let (graph, prepared) = preparation.emit(GraphBuilder::new(18));
    let shape: Vec<Dim> = std::iter::once(Dim::Symbol("batch".to_owned()))
        .chain(preparation.shape().into_iter().map(Dim::Fixed))
        .collect();
    let graph = graph.node("Identity", &[&prepared], &["y"], vec![]);
    graph.output("y", DataType::Fp32, &shape[..]).into_bytes()
}

fn load(engine: &dyn Engine, bytes: &[u8]) -> Arc<dyn LoadedModel> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.onnx"), bytes).unwrap();
    let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
    engine.load(&package, &LoadOptions::default()).unwrap()
}

/// Compares every bit but the sign of zero, which ONNX Runtime loses in `Where`, and those of the many NaN.
#[track_caller]
fn check(engine: &dyn Engine, table: &Table, options: &PreparationOptions) -> Result<(), TestCaseError> {
    let train: Vec<usize> = (0..TRAINING_ROWS).collect();
    let Ok(preparation) = Preparation::fit(table, &train, options) else {
        return Err(TestCaseError::reject("unfit"));
    };
    let rows: Vec<usize> = (0..table.rows).collect();
    let applied = preparation.apply(table, &rows).unwrap();
    let model = load(engine, &emitted(&preparation));
    prop_assert!(matches!(model.row_joining(), RowJoining::Plausible), "{:?}", model.row_joining());
    let inputs = preparation.raw_inputs(table, &rows).unwrap();
    prop_assert_eq!(&model.signature().inputs, &preparation.input_specs());
    let inputs: Vec<_> = inputs.into_iter().map(|input| input.tensor).collect();
    let outputs = model.predict(&inputs, &RunControl::new()).unwrap();
    let expected_shape = [&[table.rows], preparation.shape().as_slice()].concat();
    prop_assert_eq!(outputs[0].shape(), expected_shape);
    let TensorData::Fp32(served) = outputs[0].data() else { panic!("no numbers") };
    for (place, (served, applied)) in served.iter().zip(&applied.values).enumerate() {
        let is_same = served == applied || (served.is_nan() && applied.is_nan());
        prop_assert!(is_same, "place {place}: served {served:e}, applied {applied:e}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_matrix_is_prepared_alike_in_rten(table in of_numbers(), options in options(InputLayout::Matrix)) {
        check(&Rten::new(), &table, &options)?;
    }

    #[test]
    fn a_matrix_is_prepared_alike_in_onnx_runtime(table in of_numbers(), options in options(InputLayout::Auto)) {
        check(&onnx_runtime(), &table, &options)?;
    }

    #[test]
    fn columns_with_texts_are_prepared_alike_in_onnx_runtime(table in mixed(), options in options(InputLayout::Auto)) {
        check(&onnx_runtime(), &table, &options)?;
    }
}

#[test]
fn single_columns_of_numbers_are_prepared_alike_in_both_engines() {
    let a = column("a".to_owned(), Values::Numbers((0..12).map(|row| f64::from(row) / 3.0).collect()));
    let b = column("b".to_owned(), Values::Numbers((0..12).map(|row| f64::from(row * row)).collect()));
    let table = Table { rows: 12, columns: vec![a, b] };
    let options = PreparationOptions { inputs: InputLayout::Columns, ..PreparationOptions::default() };
    check(&Rten::new(), &table, &options).unwrap();
    check(&onnx_runtime(), &table, &options).unwrap();
}

#[test]
fn images_are_prepared_alike_in_both_engines() {
    let values = (0..12 * 6).map(|value| (value * 37 % 256) as f32).collect();
    let image = column("image".to_owned(), Values::Tensors { shape: vec![1, 2, 3], values });
    let table = Table { rows: 12, columns: vec![image] };
    for numbers in [NumberScaling::Standardize, NumberScaling::MinMax, NumberScaling::None] {
        let options = PreparationOptions { numbers, ..PreparationOptions::default() };
        check(&Rten::new(), &table, &options).unwrap();
        check(&onnx_runtime(), &table, &options).unwrap();
    }
}

#[test]
fn the_file_says_what_its_columns_are() {
    let levels = vec!["no".to_owned(), "yes".to_owned()];
    let table = Table {
        rows: 2,
        columns: vec![
            column("answer".to_owned(), Values::Categories { codes: vec![0, 1], levels }),
            column("age".to_owned(), Values::Numbers(vec![1.0, 2.0])),
        ],
    };
    let preparation = Preparation::fit(&table, &[0, 1], &PreparationOptions::default()).unwrap();
    let model = Model::decode(emitted(&preparation).into(), &ReadLimits::default()).unwrap();
    let notes = &model.proto().metadata_props;
    assert_eq!(notes[0].key, "modelyard.columns");
    let expected =
        r#"[{"name":"age","type":"number"},{"levels":["no","yes"],"name":"answer","type":"category"}]"#;
    assert_eq!(notes[0].value, expected);
    assert_eq!(model.opset(""), Some(18));
    assert_eq!(model.opset("ai.onnx.ml"), Some(3));
}
