//! The copies of requests that channels have, and which of them somebody has to work on.

use approvals_core::store::Delivery;
use approvals_core::{ChannelId, RequestId, Timestamp};
use rusqlite::types::Value;

use crate::entries::{enters, leaves};
use crate::head::latest;
use crate::opening::bounded;
use crate::rows;
use crate::script::Script;
use crate::transaction::{Failure, Transaction};

/// Adds to what is written when a channel's copy is due, where that is another time than before.
pub(crate) fn moved(
    script: &mut Script,
    id: RequestId,
    asked_at: Timestamp,
    before: Option<&Delivery>,
    after: Option<&Delivery>,
) {
    let due = |delivery: &Delivery| Some((delivery.channel.clone(), delivery.due(asked_at)?));
    let (before, after) = (before.and_then(due), after.and_then(due));
    if before == after {
        return;
    }
    let value = |channel: ChannelId| Value::Text(channel.to_string());
    if let Some((channel, due)) = before {
        leaves(script, 6, value(channel), bounded(due), id);
    }
    if let Some((channel, due)) = after {
        enters(
            script,
            6,
            value(channel),
            bounded(due),
            id.to_bytes().to_vec(),
        );
    }
}

pub(crate) const NOTED: &str =
    "SELECT copies, asked_at FROM requests INDEXED BY requests_by_id WHERE id = ?";

/// Notes a delivery in place of what was noted for its channel.
pub(crate) fn note(
    transaction: &mut Transaction<'_>,
    id: RequestId,
    delivery: &Delivery,
) -> Result<(), Failure> {
    let mut read = Script::new(NOTED);
    read.bind(id.to_bytes().to_vec());
    let Some(row) = read.row(transaction.connection)? else {
        return Ok(());
    };
    let asked_at = rows::time(&row, "asked_at")?;
    let mut all = rows::copies(&row)?;
    let known = all
        .iter_mut()
        .find(|known| known.channel == delivery.channel);
    let before = known
        .map(|known| std::mem::replace(known, delivery.clone()))
        .or_else(|| {
            all.push(delivery.clone());
            None
        });
    let mut script = Script::default();
    script
        .add("; UPDATE requests SET copies = ? WHERE id = ?")
        .bind(rows::json(&all)?)
        .bind(id.to_bytes().to_vec());
    moved(&mut script, id, asked_at, before.as_ref(), Some(delivery));
    transaction.write(script)?;
    Ok(())
}

/// The copies on a channel that are due, in one snapshot with the time of the latest commit.
pub(crate) const DUE: &str = concat!(
    "SELECT 'latest' AS kind, NULL AS id, ",
    latest!(),
    " AS at
UNION ALL
SELECT * FROM (SELECT 'due', request, part FROM entries
    WHERE kind = 6 AND value = ? AND part <= ? ORDER BY part, request LIMIT ?)"
);

pub(crate) fn due(channel: &ChannelId, now: Timestamp, limit: usize) -> Script {
    let mut script = Script::new(DUE);
    script
        .bind(channel.to_string())
        .bind(bounded(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    script
}
