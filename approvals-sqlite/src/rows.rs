//! What stands in columns, read.

use approvals_core::store::{Delivery, Freeze, StoreError, encoding};
use approvals_core::{Record, RequestId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

/// A column that is not what this crate wrote there.
fn wrong(column: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid(format!(
        "the store is damaged: `{column}` cannot be read ({error}): restore it from a backup"
    ))
}

/// A column's value.
pub(crate) fn value<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(column).map_err(|e| wrong(column, e))
}

pub(crate) fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let stored: i64 = value(row, column)?;
    u64::try_from(stored).map_err(|e| wrong(column, e))
}

pub(crate) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    number(row, column).map(Timestamp::from_millis)
}

pub(crate) fn id(row: &SqliteRow, column: &str) -> Result<RequestId, StoreError> {
    let bytes: &[u8] = value(row, column)?;
    bytes
        .try_into()
        .map(RequestId::from_bytes)
        .map_err(|e| wrong(column, e))
}

/// A record, named in an error by the row's `id` where the statement has it.
pub(crate) fn record(row: &SqliteRow, column: &str) -> Result<Option<Record>, StoreError> {
    let text: Option<&str> = value(row, column)?;
    text.map(|text| {
        let what = id(row, "id").map_or_else(|_| "a record".to_owned(), |id| id.to_string());
        encoding::decode(&what, text)
    })
    .transpose()
}

pub(crate) fn freeze(row: &SqliteRow, column: &str) -> Result<Option<Freeze>, StoreError> {
    let text: Option<&str> = value(row, column)?;
    text.map(|text| serde_json::from_str(text).map_err(|e| wrong(column, e)))
        .transpose()
}

pub(crate) fn deliveries(row: &SqliteRow, column: &str) -> Result<Vec<Delivery>, StoreError> {
    let text: &str = value(row, column)?;
    serde_json::from_str(text).map_err(|e| wrong(column, e))
}

/// As it stands in a column.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Invalid(format!("it cannot be written: {e}")))
}
