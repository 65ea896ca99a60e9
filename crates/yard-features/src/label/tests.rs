use super::*;

fn numbers(values: &[f64]) -> Column {
    Column { name: "y".to_owned(), values: Values::Numbers(values.to_vec()) }
}

fn categories(levels: &[&str], codes: &[u32]) -> Column {
    let levels = levels.iter().map(|level| (*level).to_owned()).collect();
    Column { name: "y".to_owned(), values: Values::Categories { codes: codes.to_vec(), levels } }
}

#[track_caller]
fn check_classes(label: &Column, train: &[usize], classes: &[&str], encoded: &[u32]) {
    let encoding = LabelEncoding::classes(label, train).unwrap();
    assert_eq!(encoding.class_names(), classes);
    assert_eq!(encoding.encode(label, train).unwrap(), Targets::Classes(encoded.to_vec()));
}

#[test]
fn classes_are_sorted_and_numbers_by_their_size() {
    check_classes(&numbers(&[10.0, 9.0, -1.0, 9.0]), &[0, 1, 2, 3], &["-1", "9", "10"], &[2, 1, 0, 1]);
    check_classes(&numbers(&[0.0, -0.0, 1.5]), &[0, 1, 2], &["0", "1.5"], &[0, 0, 1]);
    check_classes(&categories(&["a", "b", "c"], &[2, 0, 1]), &[0, 1], &["a", "c"], &[1, 0]);
}

#[track_caller]
fn check_refusal(result: Result<impl std::fmt::Debug, FeatureError>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

#[test]
fn one_class_only_is_refused() {
    let message =
        "the label `y` has one class only in the training rows, `7`: at least two are needed to tell apart";
    check_refusal(LabelEncoding::classes(&numbers(&[7.0, 7.0, 8.0]), &[0, 1]), message);
}

#[test]
fn a_missing_label_is_refused_with_its_row() {
    let message = "row 2: the label `y` is missing or not a number (NaN); give it a value or remove the row";
    check_refusal(LabelEncoding::classes(&numbers(&[7.0, f64::NAN]), &[0, 1]), message);
    check_refusal(LabelEncoding::classes(&categories(&["a"], &[0, Values::MISSING]), &[0, 1]), message);
    check_refusal(LabelEncoding::Numbers.encode(&numbers(&[7.0, f64::NAN]), &[0, 1]), message);
}

#[test]
fn a_class_without_training_rows_is_refused_with_its_row() {
    let label = categories(&["a", "b", "c"], &[0, 1, 2]);
    let encoding = LabelEncoding::classes(&label, &[0, 1]).unwrap();
    let message = "row 3: the label `y` is `c`, a class that the training rows do not have; add training rows of that \
                   class or remove these";
    check_refusal(encoding.encode(&label, &[2]), message);
}

#[test]
fn infinite_labels_and_labels_of_the_wrong_type_are_refused() {
    let message = "row 1, column `y`: the value is infinite or too large for a 32-bit number; replace it by a number \
                   that fits or leave it empty (missing)";
    check_refusal(LabelEncoding::Numbers.encode(&numbers(&[1e39]), &[0]), message);
    let message = "the label `y` holds categories, which a regression cannot foretell: choose task = \
                   \"classification\", or give the column the type \"number\"";
    check_refusal(LabelEncoding::Numbers.encode(&categories(&["a"], &[0]), &[0]), message);
}

#[test]
fn numbers_that_hardly_repeat_are_no_classes() {
    let measured: Vec<f64> = (0..100).map(|row| f64::from(row % 26)).collect();
    let error = LabelEncoding::refuse_measured(&numbers(&measured)).unwrap_err();
    assert!(matches!(error, FeatureError::NotClasses { found: 26, rows: 100, .. }), "{error}");
    assert!(error.to_string().contains("kind = \"linear\""), "{error}");
    // Four rows of each, or few numbers in all, are classes.
    let grades: Vec<f64> = (0..100).map(|row| f64::from(row % 25)).collect();
    assert!(LabelEncoding::refuse_measured(&numbers(&grades)).is_ok());
    assert!(LabelEncoding::refuse_measured(&numbers(&grades[..20])).is_ok());
    // A part of the rows has all of them with fewer rows each.
    let part: Vec<usize> = (0..60).collect();
    assert!(LabelEncoding::classes(&numbers(&grades), &part).is_ok());
}

#[test]
fn more_classes_than_can_be_told_apart_are_refused() {
    let names: Vec<String> = (0..10_001).map(|name| format!("{name:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let codes: Vec<u32> = (0..10_001).collect();
    let rows: Vec<usize> = (0..codes.len()).collect();
    let error = LabelEncoding::classes(&categories(&names, &codes), &rows).unwrap_err();
    assert!(matches!(error, FeatureError::TooManyClasses { found: 10_001, limit: 10_000, .. }), "{error}");
}
