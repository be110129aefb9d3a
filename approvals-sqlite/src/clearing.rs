//! Clearing away what is over and decides about nothing: once in a while, a little at a time.

use approvals_core::store::lookup::PROPOSAL_COUNTS_FOR;
use rusqlite::Connection;

use crate::clock::StoreClock;
use crate::lately::Lately;
use crate::opening::bounded;
use crate::rows;
use crate::script::Script;
use crate::traffic::Traffic;
use crate::transaction::{Failure, Transaction};
use crate::watching::KEPT;

/// How many of each are looked at in one turn.
const TURN: i64 = 200;

pub(crate) fn clear(
    connection: &Connection,
    clock: &StoreClock,
    lately: &mut Lately,
) -> Result<(), Failure> {
    let mut transaction = Transaction::begin(connection, clock, lately)?;
    let now = transaction.now()?;
    let mut script = Script::default();
    script
        .add("; DELETE FROM entries WHERE kind = 1 AND value = '' AND part <= ?")
        .bind_number(transaction.head.last_change.saturating_sub(KEPT))
        .add("; DELETE FROM proposals WHERE at <= ?")
        .bind(bounded(now.minus(PROPOSAL_COUNTS_FOR)))
        // A gate that is gone is remembered while requests wait for it.
        .add("; DELETE FROM gates WHERE alive_until <= ? AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 5 AND value = gates.owner)")
        .bind(bounded(now));
    let mut read = Script::new(
        "SELECT bucket, asks, denials FROM buckets WHERE pending = 0 AND bucket > (SELECT randomblob(32)) ORDER BY bucket LIMIT ?",
    );
    read.bind(TURN);
    for row in read.rows(transaction.connection)? {
        let mut asks = Traffic::read(rows::value(&row, "asks")?);
        let mut denials = Traffic::read(rows::value(&row, "denials")?);
        asks.forget(now);
        denials.forget(now);
        if asks.is_empty() && denials.is_empty() {
            script
                .add("; DELETE FROM buckets WHERE bucket = ?")
                .bind(rows::value::<&[u8]>(&row, "bucket")?.to_vec());
        }
    }
    transaction.write(script)?;
    transaction.commit()?;
    Ok(())
}
