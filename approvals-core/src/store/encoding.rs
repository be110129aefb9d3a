//! Records as text: what a store that keeps them in rows writes and reads.

use serde::Deserialize;

use super::StoreError;
use crate::audit::What;
use crate::review::{Record, SCHEMA};

/// A record as JSON.
///
/// # Errors
/// [`StoreError::Invalid`] when it was made by a newer version, or has no text form.
pub fn encode(record: &Record) -> Result<String, StoreError> {
    if record.schema > SCHEMA {
        // What this version does not know of it is gone already.
        return Err(newer(&record.id().to_string(), record.schema));
    }
    serde_json::to_string(record)
        .map_err(|e| StoreError::Invalid(format!("{} cannot be written: {e}", record.id())))
}

/// The record that was written. One of a newer version is read where what is known of it suffices;
/// [`may_replace`] keeps it from being swapped. `what` names it in the error: its id.
///
/// # Errors
/// [`StoreError::Invalid`], which tells a record of a newer version from a damaged one.
pub fn decode(what: &str, text: &str) -> Result<Record, StoreError> {
    serde_json::from_str(text).map_err(|e| unreadable(what, text, &e))
}

/// An event's content as JSON.
///
/// # Errors
/// [`StoreError::Invalid`] when it has no text form.
pub fn encode_event(what: &What) -> Result<String, StoreError> {
    serde_json::to_string(what)
        .map_err(|e| StoreError::Invalid(format!("an event cannot be written: {e}")))
}

/// The content of the event that was written. `number` names it in the error.
///
/// # Errors
/// [`StoreError::Invalid`] when it is of a newer version or damaged.
pub fn decode_event(number: u64, text: &str) -> Result<What, StoreError> {
    serde_json::from_str(text).map_err(|e| {
        StoreError::Invalid(format!(
            "event {number} cannot be read ({e}): it was written by a newer version, or it is damaged"
        ))
    })
}

/// Whether a record of this schema may be replaced by this version, which would drop what it does
/// not know.
///
/// # Errors
/// [`StoreError::Invalid`] when it is newer.
pub fn may_replace(what: &str, schema: u16) -> Result<(), StoreError> {
    if schema > SCHEMA {
        return Err(newer(what, schema));
    }
    Ok(())
}

fn newer(what: &str, schema: u16) -> StoreError {
    StoreError::Invalid(format!(
        "{what} was written by a newer version (form {schema}, this version knows {SCHEMA}): upgrade before changing it"
    ))
}

fn unreadable(what: &str, text: &str, error: &serde_json::Error) -> StoreError {
    /// Readable in whatever form a record is.
    #[derive(Deserialize)]
    struct Form {
        schema: u16,
    }
    StoreError::Invalid(match serde_json::from_str::<Form>(text) {
        Ok(Form { schema }) if schema > SCHEMA => format!(
            "{what} was written by a newer version (form {schema}, this version knows {SCHEMA}) and cannot be read ({error}): upgrade"
        ),
        Ok(_) | Err(_) => format!(
            "{what} is damaged ({error}): look after the disk, and restore the store from a backup"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_record_is_told_from_a_damaged_one() {
        let newer = decode("req_1", r#"{"schema":7,"asked":"in another form"}"#);
        let newer = newer.unwrap_err().to_string();
        assert!(
            newer.contains("form 7") && newer.contains("upgrade"),
            "{newer}"
        );
        for damaged in ["", "{", r#"{"schema":1}"#, r#"{"schema":"x"}"#, "\u{0}"] {
            let error = decode("req_1", damaged).unwrap_err().to_string();
            assert!(error.contains("req_1 is damaged"), "{error}");
        }
        assert!(may_replace("req_1", SCHEMA).is_ok());
        assert!(may_replace("req_1", SCHEMA + 1).is_err());
    }
}
