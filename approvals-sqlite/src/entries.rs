//! What a request is found by: the rows of the table `entries`, which a change of a record moves.
//!
//! The kinds are listed where the table is made, in `migrations/0003_entries.sql`.

use approvals_core::store::StoreError;
use approvals_core::store::lookup::{Columns, Found};
use approvals_core::{OwnerId, Phase, RequestId, Timestamp};
use rusqlite::types::Value;

use crate::opening::bounded;
use crate::rows::{self, Row};
use crate::script::Script;

/// Phases that are one part of a list: those that follow each other within moments share one, so
/// that a request that runs stays where it is.
pub(crate) const fn part(phase: Phase) -> i64 {
    match phase {
        Phase::Pending => 0,
        Phase::Approved | Phase::Claimed | Phase::Executing => 1,
        Phase::InDoubt => 2,
        Phase::Succeeded => 3,
        Phase::Failed => 4,
        Phase::Denied => 5,
        Phase::Withdrawn => 6,
        Phase::Expired => 7,
        Phase::Revoked => 8,
        Phase::Lapsed => 9,
    }
}

/// Every phase.
pub(crate) const PHASES: [Phase; 12] = [
    Phase::Pending,
    Phase::Approved,
    Phase::Claimed,
    Phase::Executing,
    Phase::Succeeded,
    Phase::Failed,
    Phase::InDoubt,
    Phase::Denied,
    Phase::Withdrawn,
    Phase::Expired,
    Phase::Revoked,
    Phase::Lapsed,
];

/// What of a record decides where it is found and changes while it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stands {
    phase: Phase,
    due_at: Option<Timestamp>,
    found: Option<Found>,
    waiter: Option<OwnerId>,
    review_owed: bool,
    changed_at: Timestamp,
}

impl Stands {
    pub(crate) const fn of(columns: &Columns, changed_at: Timestamp) -> Self {
        Self {
            phase: columns.phase,
            due_at: columns.due_at,
            found: columns.found,
            waiter: columns.waiter,
            review_owed: columns.review_owed,
            changed_at,
        }
    }

    /// As it stands in its row.
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let phase: &str = rows::value(row, "phase")?;
        let found: Option<&str> = rows::value(row, "found")?;
        let due_at: Option<i64> = rows::value(row, "due_at")?;
        let waiter: Option<&[u8]> = rows::value(row, "waiter")?;
        Ok(Self {
            phase: PHASES
                .into_iter()
                .find(|known| known.as_str() == phase)
                .ok_or_else(|| rows::wrong("phase", phase))?,
            due_at: due_at.map(|_| rows::time(row, "due_at")).transpose()?,
            found: found
                .map(|found| {
                    [Found::Pending, Found::Decides]
                        .into_iter()
                        .find(|known| known.as_str() == found)
                        .ok_or_else(|| rows::wrong("found", found))
                })
                .transpose()?,
            waiter: waiter
                .map(|bytes| bytes.try_into().map(OwnerId::from_bytes))
                .transpose()
                .map_err(|e| rows::wrong("waiter", e))?,
            review_owed: rows::value(row, "review_owed")?,
            changed_at: rows::time(row, "changed_at")?,
        })
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Where such a record is found, in the order of the table.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let entry = |kind, of, part| Some(Entry { kind, of, part });
        let past = if self.phase.is_final() { 5 } else { 0 };
        let phase = part(self.phase);
        let decides = match (self.found, self.phase) {
            (None, _) => None,
            (Some(Found::Decides), Phase::Denied) => {
                entry(10, Of::Digest, bounded(self.changed_at))
            }
            (Some(Found::Pending), _) => entry(3, Of::Digest, 0),
            (Some(Found::Decides), Phase::Executing | Phase::InDoubt) => entry(3, Of::Digest, 1),
            (Some(Found::Decides), _) => entry(3, Of::Digest, 2),
        };
        [
            self.due_at
                .and_then(|due| entry(2, Of::Nothing, bounded(due))),
            decides,
            self.waiter
                .and_then(|waiter| entry(4, Of::Waiter(waiter), 0)),
            entry(6 + past, Of::Nothing, phase),
            entry(7 + past, Of::Action, phase),
            entry(8 + past, Of::Principals, 0),
            self.review_owed
                .then_some(())
                .and_then(|()| entry(9, Of::Nothing, 0)),
            (past > 0)
                .then_some(())
                .and_then(|()| entry(14, Of::Nothing, bounded(self.changed_at))),
        ]
        .into_iter()
        .flatten()
    }
}

/// One row, or one for each principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: i64,
    of: Of,
    part: i64,
}

/// What it is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Nothing,
    Digest,
    Waiter(OwnerId),
    Action,
    Principals,
}

/// Adds to what is written that a record is found otherwise than before, or no more. Whatever stays
/// where it is is not touched.
pub(crate) fn moved(
    script: &mut Script,
    columns: &Columns,
    before: Option<&Stands>,
    after: Option<&Stands>,
) {
    let entries = |stands: Option<&Stands>| stands.into_iter().flat_map(Stands::entries).collect();
    let (old, new): (Vec<Entry>, Vec<Entry>) = (entries(before), entries(after));
    for entry in old.iter().filter(|entry| !new.contains(entry)) {
        each(entry, columns, |value| {
            leaves(script, entry.kind, value, entry.part, columns.id);
        });
    }
    for entry in new.iter().filter(|entry| !old.contains(entry)) {
        each(entry, columns, |value| {
            enters(script, entry.kind, value, entry.part, columns.id);
        });
    }
}

fn each(entry: &Entry, columns: &Columns, mut row: impl FnMut(Value)) {
    match entry.of {
        Of::Nothing => row(Value::Text(String::new())),
        Of::Digest => row(Value::Blob(columns.digest.as_bytes().to_vec())),
        Of::Waiter(waiter) => row(Value::Blob(waiter.to_bytes().to_vec())),
        Of::Action => row(Value::Text(columns.action.as_str().to_owned())),
        Of::Principals => {
            for principal in &columns.principals {
                row(Value::Text(principal.to_string()));
            }
        }
    }
}

/// Adds a row to what is written. One that is there is as good.
pub(crate) fn enters(script: &mut Script, kind: i64, value: Value, part: i64, id: RequestId) {
    script
        .add("; INSERT INTO entries (kind, value, part, request) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(kind)
        .bind(value)
        .bind(part)
        .bind(id.to_bytes().to_vec());
}

/// Adds to what is written that a row goes.
pub(crate) fn leaves(script: &mut Script, kind: i64, value: Value, part: i64, id: RequestId) {
    script
        .add("; DELETE FROM entries WHERE kind = ? AND value = ? AND part = ? AND request = ?")
        .bind(kind)
        .bind(value)
        .bind(part)
        .bind(id.to_bytes().to_vec());
}
