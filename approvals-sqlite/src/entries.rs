//! What a request is found by: the rows of the table `entries`, which a change of a record moves.
//!
//! The kinds are listed where the table is made, in `migrations/0004_entries.sql`, and the first one
//! is as `migrations/0005_head.sql` has it.

use approvals_core::store::StoreError;
use approvals_core::store::lookup::{Columns, Found};
use approvals_core::{OwnerId, Phase, RequestId, Timestamp};
use rusqlite::types::Value;

use crate::opening::bounded;
use crate::rows::{self, Row};
use crate::script::Script;

/// The part of a list that a phase is in. Those that follow each other until a request ends are one,
/// so that it stays where it is.
pub(crate) const fn part(phase: Phase) -> i64 {
    match phase {
        Phase::Pending | Phase::Approved | Phase::Claimed | Phase::Executing => 0,
        Phase::InDoubt => 1,
        Phase::Succeeded => 3,
        Phase::Failed => 4,
        Phase::Denied => 5,
        Phase::Withdrawn => 6,
        Phase::Expired => 7,
        Phase::Revoked => 8,
        Phase::Lapsed => 9,
    }
}

/// Whether it runs or is about to: it has entries of its own, since there are never many.
pub(crate) const fn runs(phase: Phase) -> bool {
    matches!(phase, Phase::Approved | Phase::Claimed | Phase::Executing)
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

    /// Where such a record is found: at each place either nowhere or once.
    fn entries(&self) -> [Option<Entry>; 8] {
        let entry = |kind, of, part| Some(Entry { kind, of, part });
        let past = self.phase.is_final();
        let beyond = if past { 4 } else { 0 };
        let phase = part(self.phase);
        let decides = self.found == Some(Found::Decides);
        let when = |holds: bool, entry| if holds { entry } else { None };
        [
            if runs(self.phase) {
                entry(3, Of::Nothing, self.due_at.map_or(i64::MAX, bounded))
            } else {
                self.due_at
                    .and_then(|due| entry(2, Of::Nothing, bounded(due)))
            },
            if decides && self.phase == Phase::Denied {
                entry(11, Of::Digest, bounded(self.changed_at))
            } else {
                when(decides || !past, entry(4, Of::Digest, 0))
            },
            self.waiter
                .and_then(|waiter| entry(5, Of::Waiter(waiter), 0)),
            when(self.review_owed, entry(7, Of::Nothing, 0)),
            entry(8 + beyond, Of::Nothing, phase),
            entry(9 + beyond, Of::Action, phase),
            entry(10 + beyond, Of::Principals, 0),
            when(past, entry(15, Of::Nothing, bounded(self.changed_at))),
        ]
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

impl Entry {
    /// The values of its rows: none for one that is not there.
    fn values(&self, columns: &Columns) -> Vec<Value> {
        match self.of {
            Of::Nothing => vec![nothing()],
            Of::Digest => vec![Value::Blob(columns.digest.as_bytes().to_vec())],
            Of::Waiter(waiter) => vec![Value::Blob(waiter.to_bytes().to_vec())],
            Of::Action => vec![Value::Text(columns.action.as_str().to_owned())],
            Of::Principals => {
                let principals = columns.principals.iter();
                principals.map(|one| Value::Text(one.to_string())).collect()
            }
        }
    }
}

/// The value of an entry that has none.
pub(crate) const fn nothing() -> Value {
    Value::Text(String::new())
}

/// Adds to what is written that a record is found otherwise than before, or no more. Whatever stays
/// where it is is not touched.
pub(crate) fn moved(
    script: &mut Script,
    columns: &Columns,
    before: Option<&Stands>,
    after: Option<&Stands>,
) {
    let entries = |stands: Option<&Stands>| stands.map_or([None; 8], Stands::entries);
    let mut new = Vec::new();
    for (old, now) in entries(before).into_iter().zip(entries(after)) {
        if old == now {
            continue;
        }
        if let Some(old) = old {
            for value in old.values(columns) {
                leaves(script, old.kind, value, old.part, columns.id);
            }
        }
        if let Some(now) = now {
            let values = now.values(columns).into_iter();
            new.extend(values.map(|value| (now.kind, value, now.part)));
        }
    }
    // All that are new are one statement, which takes less than to change each old one.
    for (place, (kind, value, part)) in new.into_iter().enumerate() {
        script
            .add(if place == 0 { ENTERS } else { ", (?, ?, ?, ?)" })
            .bind(kind)
            .bind(value)
            .bind(part)
            .bind(columns.id.to_bytes().to_vec());
    }
}

const ENTERS: &str =
    "; INSERT OR IGNORE INTO entries (kind, value, part, request) VALUES (?, ?, ?, ?)";

/// Adds a row to what is written. One that is there is as good.
pub(crate) fn enters(script: &mut Script, kind: i64, value: Value, part: i64, request: Vec<u8>) {
    script
        .add(ENTERS)
        .bind(kind)
        .bind(value)
        .bind(part)
        .bind(request);
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
