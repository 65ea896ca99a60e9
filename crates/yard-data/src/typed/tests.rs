use std::io::Cursor;

use super::*;
use crate::batches::ReadLimits;
use crate::formats::csv::CsvReader;
use crate::infer::{ColumnOverride, InferOptions, infer};
use crate::table::{Table, Values};

fn csv(text: &str) -> Result<Box<dyn BatchReader>, DataError> {
    // Two rows to a batch, so that row numbers must be counted over batches.
    let limits = ReadLimits { batch_rows: 2, ..ReadLimits::default() };
    let content = Box::new(Cursor::new(text.as_bytes().to_vec()));
    Ok(Box::new(CsvReader::new(content, "data.csv".to_owned(), &limits)?))
}

fn read(text: &str, numbers: &[&str], memory: u64) -> Result<Table, DataError> {
    let number = ColumnOverride { kind: Some(ColumnType::Number), role: None };
    let options = InferOptions {
        columns: numbers.iter().map(|name| ((*name).to_owned(), number)).collect(),
        ..InferOptions::default()
    };
    let schema = infer(&mut *csv(text)?, &options)?.schema;
    Table::collect(TypedReader::new(csv(text)?, &schema, OnMisfit::Refuse)?, memory)
}

#[track_caller]
fn check_error(text: &str, numbers: &[&str], expected: &str) {
    assert_eq!(read(text, numbers, 1 << 20).unwrap_err().to_string(), expected);
}

#[test]
fn columns_come_by_their_types() {
    let table = read("n,c,label\n1,b,x\n,a,y\nnan,?,x\n", &[], 1 << 20).unwrap();
    assert_eq!(table.rows, 3);
    let Some(Values::Numbers(numbers)) = table.column("n").map(|column| &column.values) else {
        panic!("{table:?}")
    };
    assert!(numbers[0] == 1.0 && numbers[1].is_nan() && numbers[2].is_nan());
    let levels = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let categories = Values::Categories { codes: vec![1, 0, Values::MISSING], levels: levels(["a", "b"]) };
    assert_eq!(table.column("c").unwrap().values, categories);
    assert_eq!(
        table.column("label").unwrap().values,
        Values::Categories { codes: vec![0, 1, 0], levels: levels(["x", "y"]) }
    );
}

#[test]
fn text_in_a_numeric_column_is_told_with_row_column_and_value() {
    check_error(
        "age,label\n1,x\n2,y\n3,x\nold,y\n",
        &["age"],
        "row 4, column `age`: `old` is not a number; mend the value, or give the column another type under \
         [data.columns.age]",
    );
}

#[test]
fn infinity_is_refused_with_row_and_column() {
    check_error(
        "a,label\n1,x\n2,y\n-inf,x\n",
        &[],
        "row 3, column `a`: the value is infinite; replace it by a number or leave it empty (missing)",
    );
}

#[test]
fn a_missing_label_is_refused_with_its_row() {
    let expected =
        "row 3: the label `label` is missing or not a number (NaN); give it a value or remove the row";
    check_error("a,label\n1,x\n2,y\n3,\n", &[], expected);
    check_error("a,label\n1,1.5\n2,2\n3,NaN\n", &[], expected);
}

#[test]
fn one_class_only_is_refused() {
    check_error(
        "a,label\n1,x\n2,x\n",
        &[],
        "the label `label` has one class only, `x`; at least two are needed",
    );
}

#[test]
fn a_memory_limit_that_is_reached_says_what_would_be_enough() {
    let text = format!("a,b\n{}", "1,2\n".repeat(100));
    assert_eq!(read(&text, &[], 1600).unwrap().rows, 100);
    let error = read(&text, &[], 1599).unwrap_err().to_string();
    assert!(
        error.starts_with("the data need 1600 bytes of memory, the limit is 1599; raise the limit"),
        "{error}"
    );
    assert!(read(&text, &[], 100).unwrap_err().to_string().starts_with("the data need 1600 bytes"));
}

#[test]
fn statistics_count_what_does_not_fit_instead() {
    let text = "a\n1\nx\ninf\n";
    let number = ColumnOverride { kind: Some(ColumnType::Number), role: None };
    let options = InferOptions { columns: [("a".to_owned(), number)].into(), ..InferOptions::default() };
    let schema = infer(&mut *csv(text).unwrap(), &options).unwrap().schema;
    let mut reader = TypedReader::new(csv(text).unwrap(), &schema, OnMisfit::Count).unwrap();
    let first = reader.next_batch().unwrap().unwrap();
    assert_eq!(first.column(0).null_count(), 1);
    assert_eq!(reader.next_batch().unwrap().unwrap().column(0).null_count(), 0);
    assert_eq!(reader.misfits(), [1]);
}

#[test]
fn a_column_that_the_data_lack_is_named() {
    let schema = infer(&mut *csv("a,b\n1,2\n").unwrap(), &InferOptions::default()).unwrap().schema;
    let error = TypedReader::new(csv("a\n1\n").unwrap(), &schema, OnMisfit::Refuse).unwrap_err();
    assert_eq!(error.to_string(), "there is no column `b`; there are: `a`");
}
