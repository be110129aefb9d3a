//! Records as text: what a store that keeps them in rows writes and reads.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::audit::What;
use crate::id::{OwnerId, PersonId, RequestId};
use crate::review::{Asked, Grant, Progress, Record, SCHEMA, State, Vote};
use crate::shared_set::People;
use crate::time::Timestamp;

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

/// What was asked as JSON: the part of a record that never changes, and most of it.
///
/// # Errors
/// [`StoreError::Invalid`] when it has no text form.
pub fn encode_asked(asked: &Asked) -> Result<String, StoreError> {
    serde_json::to_string(asked)
        .map_err(|e| StoreError::Invalid(format!("{} cannot be written: {e}", asked.id)))
}

/// What [`encode`] writes of a record whose `asked` was put into words before by [`encode_asked`],
/// and where that stands in it: a record is written with each of its changes.
///
/// # Errors
/// Those of [`encode`].
pub fn encode_with(record: &Record, asked: &str) -> Result<(String, Range<usize>), StoreError> {
    /// The rest of a record. A field that is added there has to be added here.
    #[derive(Serialize)]
    struct Rest<'a> {
        state: &'a State,
        progress: &'a [Progress],
        votes: &'a [std::sync::Arc<Vote>],
        excluded: &'a People,
        fence: u64,
        grant: Option<Grant>,
        granted_by: Option<RequestId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reminded: Option<u64>,
        review_owed: Option<&'a PersonId>,
        waiter: Option<OwnerId>,
        changed_at: Timestamp,
    }
    let Record {
        schema,
        revision,
        asked: _,
        state,
        progress,
        votes,
        excluded,
        fence,
        grant,
        granted_by,
        reminded,
        review_owed,
        waiter,
        changed_at,
    } = record;
    if *schema > SCHEMA {
        // What this version does not know of it is gone already.
        return Err(newer(&record.id().to_string(), *schema));
    }
    let rest = Rest {
        state,
        progress,
        votes,
        excluded,
        fence: *fence,
        grant: *grant,
        granted_by: *granted_by,
        reminded: (*reminded != 0).then_some(*reminded),
        review_owed: review_owed.as_ref(),
        waiter: *waiter,
        changed_at: *changed_at,
    };
    let rest = serde_json::to_string(&rest)
        .map_err(|e| StoreError::Invalid(format!("{} cannot be written: {e}", record.id())))?;
    let mut text = format!("{{\"schema\":{schema},\"revision\":{revision},\"asked\":");
    text.reserve(asked.len() + rest.len());
    let start = text.len();
    text.push_str(asked);
    let place = start..text.len();
    // The rest is an object, too: its fields go on where these end.
    text.push(',');
    text.push_str(rest.strip_prefix('{').unwrap_or(&rest));
    Ok((text, place))
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
