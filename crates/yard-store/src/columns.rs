//! Columns to domain types and back. What does not parse was not written by us: it is a fault of the store, never of the
//! caller.

use std::str::FromStr;

use sqlx::{Row as _, sqlite::SqliteRow};
use yard_registry::StoreError;
use yard_types::{Timestamp, VersionNumber};

/// A column holds what no version of Modelyard writes there.
#[derive(Debug, thiserror::Error)]
#[error("column '{column}' holds an unusable value")]
struct UnusableColumn {
    column: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What SQLite says when there is no room on the disk, or no page left that the file may have.
const SQLITE_FULL: &str = "13";

/// Wraps a fault of the store.
pub(crate) fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    let error = error.into();
    if is_full(&*error) { StoreError::Full(error) } else { StoreError::Backend(error) }
}

fn is_full(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let database_error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database_error.is_some_and(|error| error.code().as_deref() == Some(SQLITE_FULL))
}

/// A fault in one column.
pub(crate) fn unusable(
    column: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    backend(UnusableColumn { column, source: source.into() })
}

/// A text column, parsed.
pub(crate) fn parsed<T>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text(row, column)?.parse().map_err(|error: T::Err| unusable(column, error))
}

/// A text column.
pub(crate) fn text<'row>(row: &'row SqliteRow, column: &'static str) -> Result<&'row str, StoreError> {
    row.try_get(column).map_err(backend)
}

/// A column of numbers that are never negative.
pub(crate) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column).map_err(backend)?;
    u64::try_from(number).map_err(|error| unusable(column, error))
}

/// A moment.
pub(crate) fn timestamp(row: &SqliteRow, column: &'static str) -> Result<Timestamp, StoreError> {
    row.try_get(column).map(Timestamp).map_err(backend)
}

/// A version number.
pub(crate) fn version(row: &SqliteRow, column: &'static str) -> Result<VersionNumber, StoreError> {
    optional_version(row, column)?.ok_or_else(|| unusable(column, "it is empty"))
}

/// A version number that may be missing.
pub(crate) fn optional_version(
    row: &SqliteRow,
    column: &'static str,
) -> Result<Option<VersionNumber>, StoreError> {
    let number: Option<i64> = row.try_get(column).map_err(backend)?;
    number.map(|number| version_number(column, number)).transpose()
}

/// A version number out of a column's value.
pub(crate) fn version_number(column: &'static str, number: i64) -> Result<VersionNumber, StoreError> {
    let number = u32::try_from(number).map_err(|error| unusable(column, error))?;
    VersionNumber::new(number).map_err(|error| unusable(column, error))
}

/// A length as SQLite keeps it.
pub(crate) fn signed(column: &'static str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|error| unusable(column, error))
}
