use std::io::Cursor;

use arrow_array::cast::AsArray;

use super::*;

fn reader(text: &[u8], limits: &ReadLimits) -> Result<CsvReader, DataError> {
    CsvReader::new(Box::new(Cursor::new(text.to_vec())), "data.csv".to_owned(), limits)
}

fn rows(text: &str) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
    let mut reader = reader(text.as_bytes(), &ReadLimits::default())?;
    let names = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| {
                let texts = column.as_string::<i32>();
                if arrow_array::Array::is_null(texts, row) {
                    "-".to_owned()
                } else {
                    texts.value(row).to_owned()
                }
            };
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok((names, rows))
}

#[track_caller]
fn check(text: &str, names: &[&str], expected: &[&[&str]]) {
    let (found_names, found) = rows(text).unwrap();
    assert_eq!(found_names, names);
    assert_eq!(found, expected);
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(rows(text).unwrap_err().to_string(), expected);
}

#[test]
fn fields_are_read_with_their_delimiter() {
    for delimiter in [",", ";", "\t", "|"] {
        let text = "a,b\n1,x y\n2,\n".replace(',', delimiter);
        check(&text, &["a", "b"], &[&["1", "x y"], &["2", "-"]]);
    }
}

#[test]
fn quotes_hide_delimiters_quotes_and_line_ends() {
    check(
        "a;b\r\n\"x;y\";\"say \"\"no\"\"\"\r\n\"two\nlines\";2\r\n",
        &["a", "b"],
        &[&["x;y", "say \"no\""], &["two\nlines", "2"]],
    );
}

#[test]
fn a_comma_inside_of_values_does_not_hide_the_semicolon() {
    check("a;b\n1,5;2,5\n1,0;3,5\n", &["a", "b"], &[&["1,5", "2,5"], &["1,0", "3,5"]]);
}

#[test]
fn a_byte_order_mark_and_blanks_around_names_are_not_part_of_names() {
    check("\u{feff}a , b\n1,2\n", &["a", "b"], &[&["1", "2"]]);
}

#[test]
fn numbers_in_the_first_row_are_data_unless_they_count() {
    check("1.5,2\n3,4\n", &["column_1", "column_2"], &[&["1.5", "2"], &["3", "4"]]);
    check("0,1\n3,4\n", &["0", "1"], &[&["3", "4"]]);
    check(",a\n0,4\n", &["column_1", "a"], &[&["0", "4"]]);
}

#[test]
fn one_column_needs_no_delimiter() {
    check("a\n1\n2", &["a"], &[&["1"], &["2"]]);
}

#[test]
fn a_bad_row_is_told_with_file_and_line() {
    check_error(
        "a,b\n1,2\n3\n",
        "data.csv, line 3: the row has 1 fields, the header has 2; quote fields that hold the delimiter",
    );
    check_error(
        "a,b\n\"x\ny\",2\n3,4,5\n",
        "data.csv, line 4: the row has 3 fields, the header has 2; quote fields that hold the delimiter",
    );
}

#[test]
fn a_field_that_is_no_text_is_told_with_line_and_column() {
    let mut reader = reader(b"a,b\n1,\xff\n", &ReadLimits::default()).unwrap();
    assert_eq!(
        reader.next_batch().unwrap_err().to_string(),
        "data.csv, line 2, column `b`: the field is not UTF-8 text; save the file as UTF-8"
    );
}

#[test]
fn two_columns_of_one_name_and_an_empty_file_are_refused() {
    check_error("a,a\n1,2\n", "data.csv has two columns named `a`; give each a name of its own");
    check_error("", "data.csv has no rows");
}

#[test]
fn too_many_columns_and_a_row_without_an_end_are_refused() {
    let limits = ReadLimits { columns: 3, row_bytes: 100_000, ..ReadLimits::default() };
    assert!(matches!(reader(b"a,b,c,d\n", &limits), Err(DataError::TooLarge { found: 4, limit: 3, .. })));
    let endless = format!("a,b\n1,\"{}", "x\n".repeat(400_000));
    let mut reader = reader(endless.as_bytes(), &limits).unwrap();
    let error = reader.next_batch().unwrap_err();
    assert!(error.to_string().contains("the row at line 2 in bytes (is a quote not closed?)"), "{error}");
}

#[test]
fn batches_end_at_their_bounds() {
    let text = format!("a\n{}", "12345678\n".repeat(10));
    let sizes = |limits: &ReadLimits| {
        let mut reader = reader(text.as_bytes(), limits).unwrap();
        let mut sizes = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            sizes.push(batch.num_rows());
        }
        sizes
    };
    assert_eq!(sizes(&ReadLimits { batch_rows: 4, ..ReadLimits::default() }), [4, 4, 2]);
    assert_eq!(sizes(&ReadLimits { batch_bytes: 20, ..ReadLimits::default() }), [3, 3, 3, 1]);
}
