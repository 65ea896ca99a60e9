use std::io::Cursor;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};

use super::*;
use crate::typed::arrays::shape_of;

fn open(text: &str, limits: &ReadLimits) -> Result<JsonLinesReader, DataError> {
    let content = || Ok(Box::new(Cursor::new(text.as_bytes().to_vec())) as Bytes);
    JsonLinesReader::new(content, "data.jsonl", limits)
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = open(text, &ReadLimits::default()).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn keys_become_columns_whenever_they_come() {
    let text = "{\"b\": 1, \"a\": \"x\"}\n\n{\"b\": null, \"c\": true}\n{\"a\": 2, \"b\": -1.5e3}\n";
    let mut reader = open(text, &ReadLimits::default()).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    assert!(reader.next_batch().unwrap().is_none());
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["b", "a", "c"]);
    let numbers: Vec<_> = batch.column(0).as_primitive::<Float64Type>().iter().collect();
    assert_eq!(numbers, [Some(1.0), None, Some(-1500.0)]);
    let texts: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("x"), None, Some("2")]);
    let truths: Vec<_> = batch.column(2).as_boolean().iter().collect();
    assert_eq!(truths, [None, Some(true), None]);
}

#[test]
fn nested_lists_become_images() {
    let text = "{\"image\": [[1, 2], [3, 4]]}\n{\"image\": [[5, 6], [7, 8]]}\n";
    let mut reader = open(text, &ReadLimits::default()).unwrap();
    assert_eq!(shape_of(reader.schema().field(0)).unwrap(), [2, 2]);
    let batch = reader.next_batch().unwrap().unwrap();
    let values = batch.column(0).as_fixed_size_list().values();
    assert_eq!(values.as_primitive::<Float32Type>().values(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert_eq!(batch.column(0).null_count(), 0);
}

#[test]
fn bad_lines_are_told_with_line_and_key() {
    check_error("{\"a\": 1}\n{\"a\": }\n", "data.jsonl, line 2: expected value");
    check_error(
        "{\"a\": 1}\n[1]\n",
        "data.jsonl, line 2: invalid type: sequence, expected an object on each line",
    );
    check_error("{\"a\": 1, \"a\": 2}\n", "data.jsonl, line 1: the key `a` is there twice");
    check_error("{\"a\": {\"b\": 1}}\n", "data.jsonl, line 1, column `a`: an object is inside");
    check_error(
        "{\"a\": [1]}\n{\"a\": [1, 2]}\n",
        "data.jsonl, line 2, column `a`: a list has the shape [2]",
    );
    check_error("{\"a\": [[1], [2, 3]]}\n", "data.jsonl, line 1, column `a`: a list is ragged");
    check_error("\n", "data.jsonl has no rows");
}

#[test]
fn long_lines_and_many_keys_are_refused() {
    let limits = ReadLimits { row_bytes: 20, columns: 1, ..ReadLimits::default() };
    let message = |text: &str| open(text, &limits).unwrap_err().to_string();
    assert_eq!(message("{\"a\": \"123456789012345\"}"), "data.jsonl: line 1 in bytes is 21, the limit is 20");
    assert_eq!(message("{\"a\": 1, \"b\": 2}"), "data.jsonl: the number of keys is 2, the limit is 1");
}

#[test]
fn batches_end_at_their_bounds() {
    let limits = ReadLimits { batch_rows: 2, ..ReadLimits::default() };
    let mut reader = open("{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3}\n", &limits).unwrap();
    assert_eq!(reader.next_batch().unwrap().unwrap().num_rows(), 2);
    assert_eq!(reader.next_batch().unwrap().unwrap().num_rows(), 1);
}
