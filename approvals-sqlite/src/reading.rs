//! What is only read: statements and what they tell.

use approvals_core::audit::Event;
use approvals_core::store::{StoreError, encoding};
use approvals_core::{EventId, RequestId, Timestamp};

use crate::head::latest;
use crate::opening::bounded;
use crate::rows::{self, Row};
use crate::script::Script;

/// A record, or what is left of it, with the time and the freeze flag of the same snapshot.
pub(crate) const RECORD: &str = concat!(
    "SELECT ",
    latest!(),
    " AS latest, m.frozen IS NOT NULL AS is_frozen,
    coalesce(r.id, t.id) AS id, coalesce(r.record, t.record) AS record
FROM meta m
LEFT JOIN requests r INDEXED BY requests_by_id ON r.id = ?
LEFT JOIN tombstones t ON t.id = ?"
);

/// The same with the copies, which stand beside the record.
pub(crate) const RECORD_AND_COPIES: &str = concat!(
    "SELECT ",
    latest!(),
    " AS latest, m.frozen IS NOT NULL AS is_frozen,
    coalesce(r.id, t.id) AS id, coalesce(r.record, t.record) AS record,
    coalesce(r.copies, '[]') AS copies
FROM meta m
LEFT JOIN requests r INDEXED BY requests_by_id ON r.id = ?
LEFT JOIN tombstones t ON t.id = ?"
);

/// [`RECORD`] or [`RECORD_AND_COPIES`] of a request.
pub(crate) fn of(question: &'static str, id: RequestId) -> Script {
    let mut script = Script::new(question);
    script
        .bind(id.to_bytes().to_vec())
        .bind(id.to_bytes().to_vec());
    script
}

/// What is due, what is abandoned and when to look again, in one snapshot.
pub(crate) const DUE: &str = concat!(
    "SELECT 'latest' AS kind, NULL AS id, ",
    latest!(),
    " AS at
UNION ALL
SELECT * FROM (
    SELECT 'due', request, part FROM (
        SELECT * FROM (SELECT request, part FROM entries
            WHERE kind = 2 AND value = '' AND part <= ?1 ORDER BY part, request LIMIT ?2)
        UNION ALL
        SELECT * FROM (SELECT request, part FROM entries
            WHERE kind = 3 AND value = '' AND part <= ?1 ORDER BY part, request LIMIT ?2))
    ORDER BY part, request LIMIT ?2)
UNION ALL
SELECT 'next', NULL, at FROM (SELECT min(part) AS at FROM (
    SELECT * FROM (SELECT part FROM entries WHERE kind = 2 AND value = '' ORDER BY part LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT part FROM entries WHERE kind = 3 AND value = '' ORDER BY part LIMIT 1)))
WHERE at < 0x7fffffffffffffff
UNION ALL
SELECT * FROM (SELECT 'abandoned', e.request, NULL
    FROM gates g INDEXED BY gates_by_time CROSS JOIN entries e ON e.kind = 5 AND e.value = g.owner
    WHERE g.alive_until <= ?1 LIMIT ?2)"
);

pub(crate) fn due(now: Timestamp, limit: usize) -> Script {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut script = Script::new(DUE);
    script.bind(bounded(now)).bind(limit);
    script
}

pub(crate) const PENDING_WITH: &str = "
SELECT r.id
FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
WHERE e.kind = 4 AND e.value = ? AND r.phase = 'pending'";

/// The events that a sink has not acknowledged, and whether it is registered.
pub(crate) const EVENTS: &str = "
SELECT e.number, e.id, e.at, e.request, e.revision, e.what
FROM sinks s LEFT JOIN events e ON e.number > s.has
WHERE s.sink = ? ORDER BY e.number LIMIT ?";

/// An event; none where a registered sink has all of them.
pub(crate) fn event(row: &Row) -> Result<Option<Event>, StoreError> {
    if rows::value::<Option<i64>>(row, "number")?.is_none() {
        return Ok(None);
    }
    let number = rows::number(row, "number")?;
    let request: Option<&[u8]> = rows::value(row, "request")?;
    let id: &[u8] = rows::value(row, "id")?;
    let wrong = |e: std::array::TryFromSliceError| {
        StoreError::Invalid(format!(
            "event {number} is damaged ({e}): restore the store from a backup"
        ))
    };
    Ok(Some(Event {
        number,
        id: EventId::from_bytes(id.try_into().map_err(wrong)?),
        at: rows::time(row, "at")?,
        request: request
            .map(|bytes| bytes.try_into().map(RequestId::from_bytes))
            .transpose()
            .map_err(wrong)?,
        revision: rows::number(row, "revision")?,
        what: encoding::decode_event(number, rows::value(row, "what")?)?,
    }))
}
