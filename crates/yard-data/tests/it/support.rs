use std::path::PathBuf;

use arrow_cast::display::{ArrayFormatter, FormatOptions};
use yard_data::{DataError, InferOptions, ReadLimits, Source, Table, TableOptions, infer, open};

/// A file that `tests/files/make.py` made.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files")).join(name)
}

/// Names of columns, and rows as text with `-` for what is missing.
pub(crate) fn rows(source: &Source) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
    let mut reader = open(source, &ReadLimits { batch_rows: 2, ..ReadLimits::default() })?;
    let names = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = FormatOptions::new().with_null("-");
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        assert!((1..=2).contains(&batch.num_rows()), "batches keep to their bound");
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    Ok((names, rows))
}

#[track_caller]
pub(crate) fn check(source: &Source, names: &[&str], expected: &[&[&str]]) {
    let (found_names, found) = rows(source).unwrap();
    assert_eq!(found_names, names);
    assert_eq!(found, expected);
}

/// The whole source in memory, with the schema that is guessed.
pub(crate) fn table(source: &Source) -> Result<Table, DataError> {
    let schema = infer(&mut *open(source, &ReadLimits::default())?, &InferOptions::default())?.schema;
    Table::read(source, &schema, &TableOptions::default())
}
