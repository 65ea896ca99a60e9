use std::io::Cursor;

use super::*;
use crate::batches::ReadLimits;
use crate::formats::csv::CsvReader;

fn inferred(text: &str, options: &InferOptions) -> Result<Inferred, DataError> {
    let content = Box::new(Cursor::new(text.as_bytes().to_vec()));
    infer(&mut CsvReader::new(content, "data.csv".to_owned(), &ReadLimits::default())?, options)
}

/// What a column of these values is taken for, as a feature and as the label.
#[track_caller]
fn check(values: &[&str], feature: ColumnType, label: ColumnType) {
    let text =
        format!("a,b\n{}\n", values.iter().map(|value| format!("{value},x")).collect::<Vec<_>>().join("\n"));
    let kind = |options| inferred(&text, &options).unwrap().schema.columns[0].kind;
    assert_eq!(kind(InferOptions::default()), feature, "as a feature");
    let as_label = InferOptions { label: Some("a".to_owned()), ..InferOptions::default() };
    assert_eq!(kind(as_label), label, "as the label");
}

#[test]
fn types_are_guessed_from_values() {
    use ColumnType::{Category, Number, Text};
    check(&["1", "2.5", "-1e3"], Number, Number);
    check(&["0", "1", "1"], Number, Category);
    check(&["1", "2", "3", "4"], Number, Number);
    check(&["red", "green", "red"], Category, Category);
    check(&["true", "false"], Category, Category);
    check(&["the cat sat down", "a dog ran off", "birds fly very high"], Text, Category);
    check(&["New York City", "New York City", "New York City"], Category, Category);
    check(&["user-1", "user-2", "user-3"], Category, Category);
    let mut many = vec!["1.5"; 40];
    many.push("abc");
    check(&many, Number, Number);
}

#[test]
fn ranges_levels_and_missing_values_are_told() {
    let inferred = inferred("n,c,label\n3,b,0\n,a,1\n-1,?,0\n", &InferOptions::default()).unwrap();
    let [number, category, label] = &inferred.schema.columns[..] else { panic!("three columns") };
    assert_eq!((&number.domain, number.nullable), (&Domain::Range { min: -1.0, max: 3.0 }, true));
    assert_eq!(category.domain, Domain::Levels(vec!["a".to_owned(), "b".to_owned()]));
    assert!(category.nullable && !label.nullable);
    assert_eq!((label.role, label.kind), (Role::Label, ColumnType::Category));
    assert_eq!(inferred.rows, 3);
}

#[test]
fn what_somebody_knows_better_wins() {
    let told = ColumnOverride { kind: Some(ColumnType::Category), role: Some(Role::Label) };
    let options = InferOptions {
        ignore: vec!["b".to_owned()],
        columns: BTreeMap::from([("a".to_owned(), told)]),
        ..InferOptions::default()
    };
    let schema = inferred("a,b\n1.5,2\n2.5,3\n", &options).unwrap().schema;
    assert_eq!((schema.columns[0].kind, schema.columns[0].role), (ColumnType::Category, Role::Label));
    assert_eq!(schema.columns[1].role, Role::Ignore);
}

#[test]
fn what_is_odd_is_noted() {
    let rows: String = (0..40).map(|row| format!("{row}.5,7,,{row}\n")).collect();
    let notes = inferred(&format!("a,b,c,d\n{rows}abc,7,,inf\n"), &InferOptions::default()).unwrap().notes;
    let told: Vec<String> = notes.iter().map(Note::to_string).collect();
    assert_eq!(
        told,
        [
            "column `a` holds numbers but for 1 values, the first in row 41: `abc`; mend them, or make it a category",
            "column `b` is constant (`7` in every row): nothing can be learned from it, consider ignoring it",
            "column `c` has no value in any row: ignore it",
            "column `d` holds infinite values, the first in row 41",
        ]
    );
}

#[test]
fn a_label_that_is_not_there_is_refused_with_the_names_that_are() {
    let options = InferOptions { label: Some("price".to_owned()), ..InferOptions::default() };
    let error = inferred("a,b\n1,2\n", &options).unwrap_err();
    assert_eq!(error.to_string(), "there is no column `price`; there are: `a`, `b`");
}

#[test]
fn a_header_alone_is_no_data() {
    let error = inferred("a,b\n", &InferOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "data.csv has no rows");
}

#[test]
fn a_hundred_thousand_categories_are_still_categories_and_more_are_not_remembered() {
    let rows: String = (0..100_002).map(|row| format!("name{row}\n")).collect();
    let schema = inferred(&format!("a\n{rows}"), &InferOptions::default()).unwrap().schema;
    assert_eq!((schema.columns[0].kind, &schema.columns[0].domain), (ColumnType::Category, &Domain::Any));
}
