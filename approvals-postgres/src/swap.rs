//! Compare-and-swap: locked, judged and written in one transaction.

use std::sync::Arc;

use approvals_core::RequestStore;
use approvals_core::digest::Digest;
use approvals_core::review::{Phase, Record, stands};
use approvals_core::store::{Swap, Swapped, encoding};
use approvals_core::{RequestId, StoreError, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::clock::{Asked, timed, unsigned};
use crate::exchange::{Exchange, Judgment};
use crate::failure::Failure;
use crate::literal::Prepared;
use crate::parameters::Parameters;
use crate::rows::{self, When};
use crate::transaction::Locks;

/// Everything that a swap is judged by, read after its locks were taken. `$4` says whether it has
/// to stand.
pub(crate) const JUDGED_BY: Prepared = Prepared {
    name: "approvals_judged_by",
    types: "bigint, bigint, bytea, boolean, bytea, bytea",
    sql: timed!(
        "SELECT clock, latest, now, last_event, r.revision, r.schema, r.phase, \
         EXISTS (SELECT FROM frozen) AS frozen, \
         CASE WHEN $4 THEN ARRAY(SELECT e.record FROM requests e WHERE e.digest = $5 AND e.decides \
         AND e.phase IN ('executing', 'in_doubt') AND e.id <> $3) ELSE '{}' END AS equal, \
         (SELECT g.record FROM requests g WHERE $4 AND g.id = $6) AS grantor \
         FROM time LEFT JOIN requests r ON r.id = $3"
    ),
};

impl PostgresStore {
    pub(crate) async fn swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let id = swap.record.id();
        let mut locks = Locks::default().row(id);
        if swap.unfrozen {
            locks = locks.nobody_freezes();
        }
        // Whoever leans on a record of this digest waits for whoever changes what is leant on:
        // openings and starts on the one side; denials, doubt and grants on the other.
        if swap.stands || decides_about_others(&swap.record) {
            locks = locks.name(&swap.record.asked.digest);
        }
        let done = match self.swap_at_once(&locks, &swap).await? {
            Some(last_event) => Judged::Done { last_event },
            None => self.exchange(&locks, &Swapping { swap: &swap }).await?,
        };
        Ok(match done {
            Judged::Done { last_event } => {
                self.hints().changed(id);
                Swapped::Done {
                    record: swap.record,
                    last_event,
                }
            }
            Judged::Not(swapped) => swapped,
        })
    }
}

/// Whether others of the same digest are judged by what a record becomes.
fn decides_about_others(record: &Record) -> bool {
    let phase = record.state.phase();
    record.grant.is_some() || matches!(phase, Phase::Denied | Phase::InDoubt)
}

struct Swapping<'a> {
    swap: &'a Swap,
}

enum Judged {
    Done { last_event: u64 },
    Not(Swapped),
}

impl Exchange for Swapping<'_> {
    type Done = Judged;

    fn question(&self, asked: Asked) -> String {
        let Swap { record, stands, .. } = self.swap;
        let grantor = record.granted_by.map(RequestId::to_bytes);
        let values = asked
            .values()
            .bytes(Some(&record.id().to_bytes()))
            .flag(*stands)
            .bytes(Some(record.asked.digest.as_bytes()))
            .bytes(grantor.as_ref().map(|id| &id[..]));
        JUDGED_BY.execute(&values)
    }

    fn judge(
        &self,
        store: &PostgresStore,
        row: &PgRow,
        asked: Asked,
    ) -> Result<Judgment<Judged>, Failure> {
        let Swap {
            record,
            expected,
            events,
            not_after,
            unfrozen,
            stands,
        } = self.swap;
        let id = record.id();
        let now = store.time.of(row, asked)?;
        let Some(revision) = row.try_get::<Option<i64>, _>("revision")? else {
            return Err(Failure::invalid(format!("there is no request {id}")));
        };
        let schema: i32 = row.try_get("schema")?;
        encoding::may_replace(&id.to_string(), u16::try_from(schema).unwrap_or(u16::MAX))?;
        let not = |swapped| Ok(Judgment::Answer(Judged::Not(swapped)));
        if unsigned(revision) != *expected {
            return not(Swapped::Conflict);
        }
        if record.revision != expected.saturating_add(1) {
            return Err(Failure::invalid(format!(
                "revision {} of {id} does not follow {expected}",
                record.revision
            )));
        }
        if *unfrozen && row.try_get("frozen")? {
            return not(Swapped::Frozen);
        }
        if not_after.is_some_and(|deadline| deadline <= now) {
            return not(Swapped::TooLate);
        }
        if *stands && let Err(fallen) = stands_by(record, row, now)? {
            return not(Swapped::Fallen(fallen));
        }
        let when = When {
            now,
            not_after: *not_after,
        };
        let write = rows::replace(record, row.try_get("phase")?, events, when, store.hint())?;
        let before = unsigned(row.try_get("last_event")?);
        Ok(Judgment::Write(
            write,
            Box::new(move |row| {
                let last_event = rows::last_event(row)?.unwrap_or(before);
                Ok(Judged::Done { last_event })
            }),
        ))
    }
}

/// Whether what a request leans on still stands.
fn stands_by(
    record: &Record,
    row: &PgRow,
    now: Timestamp,
) -> Result<Result<(), approvals_core::review::Refused>, Failure> {
    let same_digest = equal(row, "equal", &record.asked.digest)?;
    let grantor: Option<&str> = row.try_get("grantor")?;
    let grantor = grantor.map(|text| rows::record("a grantor", text));
    let grantor = grantor.transpose()?;
    Ok(stands(record, &same_digest, grantor.as_deref(), now))
}

/// Records of one digest in an array.
pub(crate) fn equal(
    row: &PgRow,
    column: &str,
    digest: &Digest,
) -> Result<Vec<Arc<Record>>, Failure> {
    let texts: Vec<String> = row.try_get(column)?;
    let what = format!("a request of the digest {digest}");
    let records = texts.iter().map(|text| rows::record(&what, text));
    Ok(records.collect::<Result<_, _>>()?)
}
