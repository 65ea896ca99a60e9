use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::*;

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(values.iter().map(|value| (!value.is_empty()).then_some(*value)).collect::<StringArray>())
}

fn column(name: &str, kind: ColumnType, domain: Domain) -> ColumnSpec {
    ColumnSpec { name: name.to_owned(), kind, role: Role::Feature, nullable: true, domain, shape: Vec::new() }
}

fn levels(names: &[&str]) -> Domain {
    Domain::Levels(names.iter().map(|name| (*name).to_owned()).collect())
}

fn found(columns: &[(&str, ArrayRef)], expected: Vec<ColumnSpec>) -> (Vec<Anomaly>, Statistics) {
    let mut checker = Checker::new(Schema { columns: expected }, CheckOptions::default());
    let columns = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    checker.add(&RecordBatch::try_from_iter_with_nullable(columns).unwrap()).unwrap();
    checker.finish()
}

/// One column against one expectation: kinds, rows and what the messages must say.
#[track_caller]
fn check_column(array: ArrayRef, expected: ColumnSpec, anomalies: &[(AnomalyKind, Option<u64>, &str)]) {
    let (found, _) = found(&[(&expected.name.clone(), array)], vec![expected]);
    let brief: Vec<_> = found.iter().map(|anomaly| (anomaly.kind, anomaly.rows)).collect();
    assert_eq!(
        brief,
        anomalies.iter().map(|(kind, rows, _)| (*kind, *rows)).collect::<Vec<_>>(),
        "{found:#?}"
    );
    for (anomaly, (_, _, says)) in found.iter().zip(anomalies) {
        assert!(anomaly.message.contains(says), "{}", anomaly.message);
    }
}

#[test]
fn data_as_expected_have_no_anomalies() {
    check_column(
        texts(&["1", "2", ""]),
        column("x", ColumnType::Number, Domain::Range { min: 1.0, max: 2.0 }),
        &[],
    );
    check_column(texts(&["a", "b", "a"]), column("x", ColumnType::Category, levels(&["a", "b"])), &[]);
    check_column(texts(&["0", "1"]), column("x", ColumnType::Category, levels(&["0", "1"])), &[]);
    check_column(
        Arc::new(Int64Array::from(vec![0, 1])),
        column("x", ColumnType::Category, levels(&["0", "1"])),
        &[],
    );
}

#[test]
fn missing_and_unexpected_columns_are_named() {
    let expected =
        vec![column("Age", ColumnType::Number, Domain::Any), column("name", ColumnType::Text, Domain::Any)];
    let (found, _) = found(&[("age", texts(&["1", "2"])), ("name", texts(&["x", "y"]))], expected);
    let brief: Vec<_> = found.iter().map(|anomaly| (anomaly.kind, anomaly.column.as_str())).collect();
    assert_eq!(brief, [(AnomalyKind::MissingColumn, "Age"), (AnomalyKind::UnexpectedColumn, "age")]);
    assert!(found[0].message.contains("there is `age`, which differs in case"), "{}", found[0].message);
}

#[test]
fn an_ignored_column_may_be_anything_or_nowhere() {
    let mut ignored = column("id", ColumnType::Number, Domain::Any);
    ignored.role = Role::Ignore;
    check_column(texts(&["a", "a"]), ignored.clone(), &[]);
    let mut named = ignored;
    named.name = "gone".to_owned();
    let (found, _) =
        found(&[("x", texts(&["1", "2"]))], vec![column("x", ColumnType::Number, Domain::Any), named]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn words_among_numbers_are_a_change_of_type_with_row_and_value() {
    check_column(
        texts(&["1", "2", "3 kg", "4"]),
        column("x", ColumnType::Number, Domain::Any),
        &[(AnomalyKind::TypeChange, Some(1), "1 of 4 values are not, the first in row 3: `3 kg`")],
    );
    check_column(
        texts(&["red", "blue", "1"]),
        column("x", ColumnType::Number, Domain::Any),
        &[(AnomalyKind::TypeChange, Some(2), "2 of 3 values are not, such as `")],
    );
    check_column(
        texts(&["1", "2"]),
        column("x", ColumnType::Text, Domain::Any),
        &[(AnomalyKind::TypeChange, Some(2), "should hold text and holds numbers only")],
    );
}

#[test]
fn numbers_beyond_the_range_are_counted() {
    check_column(
        texts(&["1", "-5", "7", "900", "-5"]),
        column("x", ColumnType::Number, Domain::Range { min: 0.0, max: 10.0 }),
        &[(AnomalyKind::OutOfDomain, Some(3), "3 values are outside 0 to 10, such as `-5`, `900`")],
    );
}

#[test]
fn new_categories_are_counted_even_where_statistics_do_not_list_them() {
    let known: Vec<String> = (0..5000).map(|row| format!("c{row:04}")).collect();
    let mut values: Vec<&str> = known.iter().map(String::as_str).collect();
    values.insert(2500, "c9999");
    check_column(
        texts(&values),
        column("x", ColumnType::Category, Domain::Levels(known.clone())),
        &[(
            AnomalyKind::NewCategory,
            Some(1),
            "1 value is not among the 5000 categories of the schema, such as `c9999`",
        )],
    );
}

#[test]
fn missing_values_beyond_what_is_allowed_are_told_with_their_share() {
    let strict = ColumnSpec { nullable: false, ..column("x", ColumnType::Number, Domain::Any) };
    check_column(
        texts(&["1", "", "2", "3"]),
        strict,
        &[(AnomalyKind::TooManyMissing, Some(1), "(25.0 %), none may be")],
    );
    let expected = column("x", ColumnType::Number, Domain::Any);
    check_column(texts(&["1", "", "2", ""]), expected.clone(), &[]);
    check_column(
        texts(&["1", "", "NA", "", "2"]),
        expected,
        &[(AnomalyKind::TooManyMissing, Some(3), "at most 50.0 % may be")],
    );
}

#[test]
fn constant_and_infinite_columns_are_told() {
    check_column(
        texts(&["a", "a", ""]),
        column("x", ColumnType::Category, Domain::Any),
        &[(AnomalyKind::Constant, Some(2), "the one value `a`")],
    );
    check_column(
        Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 2.0])),
        column("x", ColumnType::Number, Domain::Range { min: 0.0, max: 5.0 }),
        &[(AnomalyKind::Infinite, Some(1), "1 infinite values")],
    );
}

#[test]
fn an_image_column_must_hold_blocks() {
    let mut image = column("x", ColumnType::Image, Domain::Any);
    image.shape = vec![2];
    check_column(
        texts(&["1", "2"]),
        image,
        &[(AnomalyKind::TypeChange, Some(2), "should hold images and holds number")],
    );
}

#[test]
fn statistics_alone_tell_the_same_kinds() {
    let first = [("n", texts(&["1", "2", "3", "4"])), ("c", texts(&["a", "b", "a", "b"]))];
    let (_, statistics) = found(&first, Vec::new());
    let baseline = schema_of(&Statistics::from_json(&statistics.to_json()).unwrap());
    assert_eq!(baseline.columns[0].domain, Domain::Range { min: 1.0, max: 4.0 });
    assert_eq!(baseline.columns[1].domain, levels(&["a", "b"]));
    assert!(check(&statistics, &baseline, &CheckOptions::default()).is_empty());

    let second = [("n", texts(&["1", "9", "3", ""])), ("c", texts(&["a", "b", "z", "z"]))];
    let (streamed, statistics) = found(&second, baseline.columns.clone());
    let from_statistics = check(&statistics, &baseline, &CheckOptions::default());
    let kinds = |anomalies: &[Anomaly]| anomalies.iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(&streamed),
        [AnomalyKind::TooManyMissing, AnomalyKind::OutOfDomain, AnomalyKind::NewCategory]
    );
    assert_eq!(kinds(&from_statistics), kinds(&streamed));
    assert_eq!(from_statistics[2].rows, Some(2));
}

#[test]
fn the_names_of_anomalies_are_those_that_are_documented() {
    let kinds = [
        AnomalyKind::MissingColumn,
        AnomalyKind::UnexpectedColumn,
        AnomalyKind::TypeChange,
        AnomalyKind::OutOfDomain,
        AnomalyKind::TooManyMissing,
        AnomalyKind::NewCategory,
        AnomalyKind::Constant,
        AnomalyKind::Infinite,
    ];
    let names = "missing_column unexpected_column type_change out_of_domain too_many_missing new_category constant infinite";
    assert_eq!(kinds.map(AnomalyKind::as_str).join(" "), names);
}
