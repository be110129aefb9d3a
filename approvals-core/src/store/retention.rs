//! How long a record is needed, and what is left of it when it is archived.

use std::sync::Arc;
use std::time::Duration;

use crate::review::{Record, State};
use crate::time::Timestamp;

/// How long a denial is kept: longer than any denial stands, and for whoever asks why.
pub const DENIAL_IS_KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long whatever has finished is kept at least, by every store: what was asked, denied and
/// proposed within that time still counts, and somebody may still look at it.
pub const FINISHED_IS_KEPT_FOR: Duration = DENIAL_IS_KEPT_FOR;

/// Whether a record may still decide about a request, or somebody still has to look at it. Such a
/// record is never archived. A denial is also needed as long as a record of its digest
/// [has an open grant](has_open_grant), which it closes: a store looks for one.
#[must_use]
pub fn still_decides(record: &Record, now: Timestamp) -> bool {
    let denied =
        matches!(record.state, State::Denied { at, .. } if now < at.plus(DENIAL_IS_KEPT_FOR));
    !record.state.phase().is_final()
        || denied
        || has_open_grant(record, now)
        || record.review_owed.is_some()
}

/// Whether a record's yes covers further runs.
#[must_use]
pub fn has_open_grant(record: &Record, now: Timestamp) -> bool {
    let grant = record.grant;
    grant.is_some_and(|grant| !grant.closed && now < grant.until)
}

/// What is left of an archived record, under its key: which call it was, by its digest, and how it
/// ended. The trail has the rest.
#[must_use]
pub fn tombstone(record: &Record) -> Record {
    let mut rest = record.clone();
    let mut asked = crate::review::Asked::clone(&rest.asked);
    let call = crate::call::Call::clone(&asked.call);
    asked.call = Arc::new(call.without_content());
    rest.asked = Arc::new(asked);
    rest.votes = Default::default();
    rest.progress = Default::default();
    rest.grant = None;
    rest
}
