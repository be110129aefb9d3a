//! The smaller changes: the trail, freeze, heartbeats.

use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::store::{Freeze, StoreError};
use approvals_core::{OwnerId, SinkId};

use crate::rows;
use crate::script::Script;
use crate::transaction::{Failure, Transaction};

pub(crate) fn append(
    transaction: &mut Transaction<'_>,
    events: &[NewEvent],
) -> Result<u64, Failure> {
    let now = transaction.now()?;
    let mut script = Script::default();
    transaction.events(&mut script, events, &[], now)?;
    transaction.write(script)?;
    Ok(transaction.head.last_event)
}

pub(crate) fn register_sink(
    transaction: &mut Transaction<'_>,
    sink: &SinkId,
) -> Result<(), Failure> {
    let mut script = Script::default();
    script
        .add("; INSERT INTO sinks (sink, has) VALUES (?, coalesce((SELECT min(number) - 1 FROM events), ?)) ON CONFLICT DO NOTHING")
        .bind(sink.as_str().to_owned())
        .bind_number(transaction.head.last_event);
    transaction.write(script)?;
    transaction.head.keeps_events = true;
    Ok(())
}

/// What a sink has that is not registered.
pub(crate) fn unregistered(sink: &SinkId) -> StoreError {
    StoreError::Invalid(format!(
        "the sink `{sink}` is not registered with the store"
    ))
}

pub(crate) fn acknowledge(
    transaction: &mut Transaction<'_>,
    sink: &SinkId,
    number: u64,
) -> Result<(), Failure> {
    let mut read = Script::new("SELECT has FROM sinks WHERE sink = ?");
    read.bind(sink.as_str().to_owned());
    let Some(row) = read.row(transaction.connection)? else {
        return Err(Failure::Refused(unregistered(sink)));
    };
    let last = transaction.head.last_event;
    if number > last {
        return Err(Failure::Refused(StoreError::Invalid(format!(
            "the sink `{sink}` acknowledges event {number}, and the last one is {last}: it belongs to another store"
        ))));
    }
    if number <= rows::number(&row, "has")? {
        return Ok(());
    }
    let mut script = Script::default();
    script
        .add("; UPDATE sinks SET has = ? WHERE sink = ?")
        .bind_number(number)
        .bind(sink.as_str().to_owned())
        .add("; DELETE FROM events WHERE number <= (SELECT min(has) FROM sinks)");
    transaction.write(script)?;
    Ok(())
}

pub(crate) const SEAL: &str = "SELECT seal FROM seals WHERE sink = ?";

/// Replaces a seal, if it is the expected one. The lock on writing is held, so that what was read
/// stands until the commit.
pub(crate) fn swap_seal(
    transaction: &mut Transaction<'_>,
    sink: &SinkId,
    expected: Option<&str>,
    seal: &str,
) -> Result<bool, Failure> {
    let mut read = Script::new(SEAL);
    read.bind(sink.as_str().to_owned());
    let row = read.row(transaction.connection)?;
    let stands = match &row {
        Some(row) => Some(rows::value::<&str>(row, "seal")?),
        None => None,
    };
    if stands != expected {
        return Ok(false);
    }
    let mut script = Script::default();
    script
        .add("; INSERT INTO seals (sink, seal) VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET seal = excluded.seal")
        .bind(sink.as_str().to_owned())
        .bind(seal.to_owned());
    transaction.write(script)?;
    Ok(true)
}

pub(crate) fn set_freeze(
    transaction: &mut Transaction<'_>,
    freeze: Option<&Freeze>,
    event: &NewEvent,
) -> Result<(), Failure> {
    let now = transaction.now()?;
    let frozen = freeze.map(rows::json).transpose()?;
    let mut script = Script::default();
    transaction.events(&mut script, std::slice::from_ref(event), &[], now)?;
    script
        .add("; UPDATE meta SET frozen = ?")
        .bind(frozen.clone());
    transaction.write(script)?;
    transaction.head.frozen = frozen;
    Ok(())
}

pub(crate) fn heartbeat(
    transaction: &mut Transaction<'_>,
    owner: OwnerId,
    lease: Duration,
) -> Result<(), Failure> {
    let until = transaction.now()?.plus(lease);
    let mut script = Script::default();
    script
        .add("; INSERT INTO gates (owner, alive_until) VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until")
        .bind(owner.to_bytes().to_vec())
        .bind_number(until.as_millis());
    transaction.write(script)?;
    Ok(())
}
