use super::*;
use crate::NumberScaling;

fn numbers(name: &str, values: &[f64]) -> Column {
    Column { name: name.to_owned(), values: Values::Numbers(values.to_vec()) }
}

fn categories(name: &str, values: &[Option<&str>]) -> Column {
    let mut levels: Vec<String> = values.iter().flatten().map(|level| (*level).to_owned()).collect();
    levels.sort_unstable();
    levels.dedup();
    let code = |value: &Option<&str>| {
        let place = value.and_then(|value| levels.iter().position(|level| level == value));
        place.map_or(Values::MISSING, |place| place as u32)
    };
    let codes = values.iter().map(code).collect();
    Column { name: name.to_owned(), values: Values::Categories { codes, levels } }
}

fn table(columns: Vec<Column>) -> Table {
    Table { rows: columns.first().map_or(0, |column| column.values.rows()), columns }
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.rows).collect()
}

fn fit(table: &Table, options: &PreparationOptions) -> Result<Preparation, FeatureError> {
    Preparation::fit(table, &all(table), options)
}

#[track_caller]
fn check(column: Column, options: PreparationOptions, train: &[usize], expected: &[f32]) {
    // Another column that differs, so that a constant one is not all there is.
    let other = numbers("other", &(0..column.values.rows()).map(|row| row as f64).collect::<Vec<_>>());
    let table = table(vec![column, other]);
    let preparation = Preparation::fit(&table, train, &options).unwrap();
    let matrix = preparation.apply(&table, &all(&table)).unwrap();
    let first: Vec<f32> = (0..table.rows).map(|row| matrix.row(row)[0]).collect();
    assert_eq!(first.len(), expected.len());
    for (got, expected) in first.iter().zip(expected) {
        assert!(got == expected || (got.is_nan() && expected.is_nan()), "{first:?} is not {expected:?}");
    }
}

#[track_caller]
fn check_refusal(columns: Vec<Column>, options: &PreparationOptions, message: &str) {
    assert_eq!(fit(&table(columns), options).unwrap_err().to_string(), message);
}

fn options(numbers: NumberScaling, missing_numbers: MissingNumbers) -> PreparationOptions {
    PreparationOptions { numbers, missing_numbers, ..PreparationOptions::default() }
}

#[test]
fn numbers_are_scaled_by_the_training_rows_alone() {
    use MissingNumbers::Mean;
    let column = || numbers("x", &[1.0, 3.0, 100.0]);
    check(column(), options(NumberScaling::Standardize, Mean), &[0, 1], &[-1.0, 1.0, 98.0]);
    check(column(), options(NumberScaling::MinMax, Mean), &[0, 1], &[0.0, 1.0, 49.5]);
    check(column(), options(NumberScaling::None, Mean), &[0, 1], &[1.0, 3.0, 100.0]);
}

#[test]
fn missing_numbers_are_filled_by_the_training_rows_alone() {
    let nan = f64::NAN;
    let column = || numbers("x", &[1.0, 2.0, 6.0, nan, 50.0]);
    let train = [0, 1, 2, 3];
    let none = |missing| options(NumberScaling::None, missing);
    check(column(), none(MissingNumbers::Mean), &train, &[1.0, 2.0, 6.0, 3.0, 50.0]);
    check(column(), none(MissingNumbers::Median), &train, &[1.0, 2.0, 6.0, 2.0, 50.0]);
    check(column(), none(MissingNumbers::Zero), &train, &[1.0, 2.0, 6.0, 0.0, 50.0]);
    check(column(), none(MissingNumbers::Keep), &train, &[1.0, 2.0, 6.0, f32::NAN, 50.0]);
    check(column(), PreparationOptions::default().for_trees(), &train, &[1.0, 2.0, 6.0, f32::NAN, 50.0]);
    let even = numbers("x", &[1.0, 2.0, 6.0, 8.0, nan]);
    check(even, none(MissingNumbers::Median), &[0, 1, 2, 3, 4], &[1.0, 2.0, 6.0, 8.0, 4.0]);
}

#[test]
fn missing_numbers_are_refused_where_that_is_asked_for() {
    let refuse = options(NumberScaling::None, MissingNumbers::Refuse);
    let message = "row 2, column `x`: the value is missing or not a number (NaN), which features.missing_numbers = \
                   \"refuse\" forbids; fill it in, or choose \"mean\", \"median\" or \"zero\"";
    check_refusal(vec![numbers("x", &[1.0, f64::NAN])], &refuse, message);
    let later = table(vec![numbers("x", &[1.0, 2.0, f64::NAN])]);
    let preparation = Preparation::fit(&later, &[0, 1], &refuse).unwrap();
    assert!(matches!(preparation.apply(&later, &[2]), Err(FeatureError::Missing { row: 3, .. })));
}

#[test]
fn a_constant_column_becomes_zero_and_is_remarked() {
    let columns = vec![numbers("x", &[0.1, 0.1, 0.1]), numbers("y", &[1.0, 2.0, 3.0])];
    let table = table(columns);
    let preparation = fit(&table, &PreparationOptions::default()).unwrap();
    let matrix = preparation.apply(&table, &[0, 1, 2]).unwrap();
    assert_eq!([matrix.row(0)[0], matrix.row(1)[0], matrix.row(2)[0]], [0.0; 3]);
    let remarks: Vec<String> = preparation.remarks().iter().map(Remark::to_string).collect();
    let expected = "column `x` is 0.1 in all 3 training rows and adds nothing: it may be left out (data.ignore = \
                    [\"x\"])";
    assert_eq!(remarks, [expected]);
}

#[test]
fn many_constant_columns_make_one_remark() {
    let mut columns = vec![numbers("varies", &[1.0, 2.0])];
    columns.extend((0..10).map(|number| numbers(&format!("c{number}"), &[0.5, 0.5])));
    let preparation = fit(&table(columns), &PreparationOptions::default()).unwrap();
    let remarks: Vec<String> = preparation.remarks().iter().map(Remark::to_string).collect();
    let expected = "10 columns have one value in all 2 training rows and add nothing (`c0` is 0.5, `c1` is 0.5, `c2` \
                    is 0.5, `c3` is 0.5, `c4` is 0.5, `c5` is 0.5, `c6` is 0.5, `c7` is 0.5, ...): they may be left out \
                    (data.ignore)";
    assert_eq!(remarks, [expected]);
}

#[test]
fn constant_columns_alone_are_refused() {
    let message = "every column has the same value in all 2 training rows: there is nothing to learn from";
    let same = vec![numbers("x", &[1.0, 1.0]), categories("c", &[Some("a"), Some("a")])];
    check_refusal(same, &PreparationOptions::default(), message);
    let image = Values::Tensors { shape: vec![2], values: vec![7.0; 4] };
    let image = Column { name: "image".to_owned(), values: image };
    check_refusal(vec![image], &PreparationOptions::default(), message);
}

#[test]
fn infinities_and_numbers_beyond_32_bits_are_refused() {
    for value in [f64::INFINITY, f64::NEG_INFINITY, 1e39] {
        let message = "row 2, column `x`: the value is infinite or too large for a 32-bit number; replace it by a \
                       number that fits or leave it empty (missing)";
        check_refusal(vec![numbers("x", &[1.0, value])], &PreparationOptions::default(), message);
    }
    let message = "column `x` reaches from -3e38 to 3e38, which 32-bit numbers cannot scale: change its unit, or leave \
                   it out (data.ignore = [\"x\"])";
    let wide = vec![numbers("x", &[-3e38, 3e38])];
    check_refusal(wide, &options(NumberScaling::MinMax, MissingNumbers::Mean), message);
}

#[test]
fn a_column_without_any_value_is_refused() {
    let message = "column `x` has no value in any of the training rows: leave it out (data.ignore = [\"x\"])";
    check_refusal(vec![numbers("x", &[f64::NAN, f64::NAN])], &PreparationOptions::default(), message);
    check_refusal(vec![categories("x", &[None, Some("")])], &PreparationOptions::default(), message);
}

#[test]
fn categories_become_columns_and_unseen_or_missing_ones_zeros() {
    let table = table(vec![
        categories("colour", &[Some("red"), Some("blue"), None, Some("green"), Some("")]),
        numbers("size", &[1.0, 3.0, 2.0, 2.0, 2.0]),
    ]);
    let preparation = Preparation::fit(&table, &[0, 1, 2], &PreparationOptions::default()).unwrap();
    assert_eq!(preparation.columns(), ["size", "colour=blue", "colour=red"]);
    let matrix = preparation.apply(&table, &all(&table)).unwrap();
    let one_hot: Vec<&[f32]> = (0..5).map(|row| &matrix.row(row)[1..]).collect();
    assert_eq!(one_hot, [[0.0, 1.0], [1.0, 0.0], [0.0; 2], [0.0; 2], [0.0; 2]]);
}

#[test]
fn another_table_may_number_its_categories_differently() {
    let first = table(vec![categories("c", &[Some("b"), Some("a")])]);
    let preparation = fit(&first, &PreparationOptions::default()).unwrap();
    let second = table(vec![categories("c", &[Some("b"), Some("0")])]);
    assert_eq!(preparation.apply(&second, &[0, 1]).unwrap().values, [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_column_with_a_hundred_thousand_categories_is_refused_with_three_ways_out() {
    let levels: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
    let codes = (0..100_000).collect();
    let column = Column { name: "user".to_owned(), values: Values::Categories { codes, levels } };
    let message = "column `user` has 100000 different categories in the training rows, more than \
                   features.max_categories = 1000: leave it out (data.ignore = [\"user\"]), read it as text \
                   ([data.columns.user] type = \"text\"), or raise features.max_categories";
    check_refusal(vec![column], &PreparationOptions::default(), message);
}

#[test]
fn images_are_scaled_as_a_whole() {
    let values = Values::Tensors { shape: vec![1, 2], values: vec![0.0, 255.0, 51.0, 0.0, 510.0, 0.0] };
    let image = Column { name: "image".to_owned(), values };
    let table = table(vec![image]);
    let min_max = options(NumberScaling::MinMax, MissingNumbers::Mean);
    let preparation = Preparation::fit(&table, &[0, 1], &min_max).unwrap();
    let matrix = preparation.apply(&table, &[0, 1, 2]).unwrap();
    assert_eq!((matrix.shape.as_slice(), matrix.rows), (&[1, 2][..], 3));
    assert_eq!(matrix.values, [0.0, 1.0, 51.0 * (1.0 / 255.0), 0.0, 2.0, 0.0]);
}

#[test]
fn what_cannot_be_an_input_is_refused() {
    let image = || Column {
        name: "image".to_owned(),
        values: Values::Tensors { shape: vec![1], values: vec![0.0, f32::NAN] },
    };
    let default = PreparationOptions::default();
    let message =
        "row 2, column `image`: the image holds a number that is not finite; mend it or remove the row";
    check_refusal(vec![image()], &default, message);
    let message = "column `image` is an image, which must be the only feature; there are also `x`: leave one or the \
                   others out (data.ignore)";
    check_refusal(vec![numbers("x", &[1.0, 2.0]), image()], &default, message);
    let text = Column { name: "t".to_owned(), values: Values::Texts(vec![None]) };
    let message = "column `t` is text, which only the text classifier reads: leave it out (data.ignore = [\"t\"]), or \
                   read it as a category ([data.columns.t] type = \"category\")";
    check_refusal(vec![text], &default, message);
    let matrix = PreparationOptions { inputs: InputLayout::Matrix, ..PreparationOptions::default() };
    let message = "features.inputs = \"matrix\" wants numbers alone, but column `c` is a category: choose \"auto\" or \
                   \"columns\"";
    check_refusal(vec![categories("c", &[Some("a"), Some("b")])], &matrix, message);
    let message =
        "column `prediction` cannot be the name of a model's input: the model's output has it; rename it";
    check_refusal(vec![categories("prediction", &[Some("a"), Some("b")])], &default, message);
    check_refusal(vec![], &default, "there is no column to learn from: at least one must be a feature");
}

#[test]
fn a_table_that_lost_a_column_or_changed_its_type_is_refused() {
    let first = table(vec![numbers("x", &[1.0, 2.0])]);
    let preparation = fit(&first, &PreparationOptions::default()).unwrap();
    let refusal = |columns| preparation.apply(&table(columns), &[0]).unwrap_err().to_string();
    let lost = "there is no column `x` in the data, which the model was trained with";
    assert_eq!(refusal(vec![numbers("y", &[1.0])]), lost);
    let changed = "column `x` holds categories, but the model was trained with numbers";
    assert_eq!(refusal(vec![categories("x", &[Some("1")])]), changed);
}
