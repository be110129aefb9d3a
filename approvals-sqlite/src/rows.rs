//! What stands in columns, read.

use std::sync::Arc;

use approvals_core::store::{Delivery, Freeze, StoreError, encoding};
use approvals_core::{Record, RequestId, Timestamp};
use rusqlite::types::Value;

/// A row that was read, which outlives its statement.
#[derive(Debug)]
pub(crate) struct Row {
    names: Arc<[Box<str>]>,
    values: Vec<Value>,
}

impl Row {
    /// The first row of a statement.
    pub(crate) fn first(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        let names = row.as_ref().column_names();
        Self::copy(names.into_iter().map(Box::from).collect(), row)
    }

    /// A further row of the statement that this one is of.
    pub(crate) fn like(&self, row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        Self::copy(Arc::clone(&self.names), row)
    }

    fn copy(names: Arc<[Box<str>]>, row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        let values = (0..names.len()).map(|place| row.get(place));
        Ok(Self {
            values: values.collect::<Result<_, _>>()?,
            names,
        })
    }

    fn column(&self, name: &str) -> Option<&Value> {
        let place = self.names.iter().position(|column| **column == *name)?;
        self.values.get(place)
    }
}

/// What a column's value can be read as.
pub(crate) trait Read<'r>: Sized {
    /// None where it is of another type.
    fn read(value: &'r Value) -> Option<Self>;
}

impl Read<'_> for i64 {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl Read<'_> for bool {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(|number| number != 0)
    }
}

impl<'r> Read<'r> for &'r str {
    fn read(value: &'r Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'r> Read<'r> for &'r [u8] {
    fn read(value: &'r Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'r, T: Read<'r>> Read<'r> for Option<T> {
    fn read(value: &'r Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// A column that is not what this crate wrote there.
pub(crate) fn wrong(column: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid(format!(
        "the store is damaged: `{column}` cannot be read ({error}): restore it from a backup"
    ))
}

/// A column's value.
pub(crate) fn value<'r, T: Read<'r>>(row: &'r Row, column: &str) -> Result<T, StoreError> {
    let value = row
        .column(column)
        .ok_or_else(|| wrong(column, "it is not there"))?;
    T::read(value).ok_or_else(|| wrong(column, format!("it is {}", value.data_type())))
}
pub(crate) fn number(row: &Row, column: &str) -> Result<u64, StoreError> {
    let stored: i64 = value(row, column)?;
    u64::try_from(stored).map_err(|e| wrong(column, e))
}

pub(crate) fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    number(row, column).map(Timestamp::from_millis)
}

pub(crate) fn id(row: &Row, column: &str) -> Result<RequestId, StoreError> {
    let bytes: &[u8] = value(row, column)?;
    bytes
        .try_into()
        .map(RequestId::from_bytes)
        .map_err(|e| wrong(column, e))
}

/// A record, named in an error by the row's `id` where the statement has it.
pub(crate) fn record(row: &Row, column: &str) -> Result<Option<Record>, StoreError> {
    let text: Option<&str> = value(row, column)?;
    text.map(|text| {
        let what = id(row, "id").map_or_else(|_| "a record".to_owned(), |id| id.to_string());
        encoding::decode(&what, text)
    })
    .transpose()
}

pub(crate) fn freeze(row: &Row, column: &str) -> Result<Option<Freeze>, StoreError> {
    let text: Option<&str> = value(row, column)?;
    text.map(|text| serde_json::from_str(text).map_err(|e| wrong(column, e)))
        .transpose()
}

pub(crate) fn copies(row: &Row) -> Result<Vec<Delivery>, StoreError> {
    let text: &str = value(row, "copies")?;
    serde_json::from_str(text).map_err(|e| wrong("copies", e))
}

/// As it stands in a column.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Invalid(format!("it cannot be written: {e}")))
}
