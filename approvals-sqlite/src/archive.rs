//! Archiving: finished requests go, keys and the trail stay.

use approvals_core::store::lookup::Columns;
use approvals_core::store::retention::{has_open_grant, still_decides, tombstone};
use approvals_core::store::{StoreError, encoding};
use approvals_core::{Phase, Record, Timestamp};

use crate::copies;
use crate::entries::{self, Stands};
use crate::opening::bounded;
use crate::rows::{self, Row};
use crate::script::Script;
use crate::transaction::{Failure, Transaction};
use crate::work::{Selection, Step};

pub(crate) const FINISHED: &str = "
SELECT r.id, e.part AS finished_at, r.phase, r.due_at, r.found, r.waiter, r.review_owed, r.changed_at, r.copies, r.record
FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
WHERE e.kind = 15 AND e.value = '' AND e.part <= ? AND (e.part, e.request) > (?, ?)
ORDER BY e.part, e.request LIMIT ?";

/// Archives some of what finished long ago.
pub(crate) fn archive(
    transaction: &mut Transaction<'_>,
    selection: &Selection,
) -> Result<Step, Failure> {
    let now = transaction.now()?;
    let (at, id) = match selection.after {
        Some((at, id)) => (bounded(at), id.to_bytes().to_vec()),
        None => (-1, Vec::new()),
    };
    let mut read = Script::new(FINISHED);
    read.bind(bounded(now.minus(selection.finished_for)))
        .bind(at)
        .bind(id)
        .bind(i64::try_from(selection.limit).unwrap_or(i64::MAX));
    let mut step = Step::default();
    let mut script = Script::default();
    for row in read.rows(transaction.connection)? {
        let id = rows::id(&row, "id")?;
        step.last = Some((rows::time(&row, "finished_at")?, id));
        match rows::record(&row, "record") {
            Ok(Some(record)) if !needed(transaction, &record, now)? => {
                remove(&mut script, &row, &record)?;
                transaction.lately.forget(id);
                step.archived += 1;
            }
            Ok(_) => {}
            // A newer version will archive what it wrote, and what is damaged is evidence.
            Err(error) => tracing::warn!(request = %id, %error, "it is not archived"),
        }
    }
    transaction.write(script)?;
    Ok(step)
}

fn needed(
    transaction: &mut Transaction<'_>,
    record: &Record,
    now: Timestamp,
) -> Result<bool, Failure> {
    if still_decides(record, now) {
        return Ok(true);
    }
    if record.state.phase() != Phase::Denied {
        return Ok(false);
    }
    // A denial closes the grants of its digest that were given before it.
    let mut read = Script::new(
        "SELECT r.id, r.record FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request WHERE e.kind IN (4, 11) AND e.value = ? AND r.found = 'decides'",
    );
    read.bind(record.asked.digest.as_bytes().to_vec());
    for row in read.rows(transaction.connection)? {
        if rows::record(&row, "record")?.is_some_and(|equal| has_open_grant(&equal, now)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds to what is written that a record goes.
fn remove(script: &mut Script, row: &Row, record: &Record) -> Result<(), StoreError> {
    let id = record.id().to_bytes().to_vec();
    if record.asked.call.key().is_some() {
        script
            .add("; INSERT INTO tombstones (id, record) VALUES (?, ?)")
            .bind(id.clone())
            .bind(encoding::encode(&tombstone(record))?);
    }
    entries::moved(
        script,
        &Columns::of(record),
        Some(&Stands::read(row)?),
        None,
    );
    for delivery in rows::copies(row)? {
        copies::moved(
            script,
            record.id(),
            record.asked.asked_at,
            Some(&delivery),
            None,
        );
    }
    script.add("; DELETE FROM requests WHERE id = ?").bind(id);
    Ok(())
}
