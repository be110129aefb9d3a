//! The copies of requests that channels have, and which of them somebody has to work on.

use approvals_core::store::Delivery;
use approvals_core::{ChannelId, RequestId, Timestamp};

use crate::opening::bounded;
use crate::rows;
use crate::script::Script;
use crate::transaction::{Failure, Transaction};

/// Adds to what is written with a new request when its copies are due.
pub(crate) fn intended(
    script: &mut Script,
    id: RequestId,
    asked_at: Timestamp,
    deliveries: &[Delivery],
) {
    for delivery in deliveries {
        if let Some(due) = delivery.due(asked_at) {
            is_due(script, id, &delivery.channel, due);
        }
    }
}

fn is_due(script: &mut Script, id: RequestId, channel: &ChannelId, due: Timestamp) {
    script
        .add("; INSERT INTO copies (request, channel, due) VALUES (?, ?, ?) ON CONFLICT (request, channel) DO UPDATE SET due = excluded.due")
        .bind(id.to_bytes().to_vec())
        .bind(channel.to_string())
        .bind(bounded(due));
}

pub(crate) const NOTED: &str = "
SELECT id, deliveries, iif(?, record, NULL) AS record
FROM requests INDEXED BY requests_by_id WHERE id = ?";

/// Notes a delivery in place of what was noted for its channel. The record is read only for an
/// intent, whose time alone depends on when the request was made.
pub(crate) fn note(
    transaction: &mut Transaction<'_>,
    id: RequestId,
    delivery: &Delivery,
) -> Result<(), Failure> {
    let depends = delivery.due(BEFORE_ALL) != delivery.due(AFTER_ALL);
    let mut read = Script::new(NOTED);
    read.bind(depends).bind(id.to_bytes().to_vec());
    let Some(row) = read.row(transaction.connection)? else {
        return Ok(());
    };
    let asked_at = rows::record(&row, "record")?.map_or(BEFORE_ALL, |record| record.asked.asked_at);
    let mut all = rows::deliveries(&row, "deliveries")?;
    let known = all
        .iter_mut()
        .find(|known| known.channel == delivery.channel);
    let was_due = known
        .as_ref()
        .is_some_and(|known| known.due(BEFORE_ALL).is_some());
    match known {
        Some(known) => known.clone_from(delivery),
        None => all.push(delivery.clone()),
    }
    let mut script = Script::default();
    script
        .add("; UPDATE requests SET deliveries = ?, copies_kept = copies_kept + 1 WHERE id = ?")
        .bind(rows::json(&all)?)
        .bind(id.to_bytes().to_vec());
    match delivery.due(asked_at) {
        Some(due) => is_due(&mut script, id, &delivery.channel, due),
        None if was_due => {
            script
                .add("; DELETE FROM copies WHERE request = ? AND channel = ?")
                .bind(id.to_bytes().to_vec())
                .bind(delivery.channel.to_string());
        }
        None => {}
    }
    transaction.write(script)?;
    Ok(())
}

const BEFORE_ALL: Timestamp = Timestamp::from_millis(0);
const AFTER_ALL: Timestamp = Timestamp::from_millis(u64::MAX);

/// The copies on a channel that are due, in one snapshot with the time of the latest commit.
pub(crate) const DUE: &str = "
SELECT 'latest' AS kind, NULL AS id, latest AS at FROM meta
UNION ALL
SELECT * FROM (SELECT 'due', request, due FROM copies INDEXED BY copies_by_due
    WHERE channel = ? AND due <= ? ORDER BY due, request LIMIT ?)";

pub(crate) fn due(channel: &ChannelId, now: Timestamp, limit: usize) -> Script {
    let mut script = Script::new(DUE);
    script
        .bind(channel.to_string())
        .bind(bounded(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    script
}
