//! Building the index out of the log.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{Rows, number};
use super::terms::Terms;
use super::{Built, IndexError, schema};
use crate::reading::SignedLog;
use crate::tree::Hash;

/// How many entries one transaction takes.
const BATCH: u64 = 65_536;

/// What the index was built from, so far.
pub(super) fn built(connection: &Connection) -> Result<Option<Built>, IndexError> {
    let row = connection
        .query_row("SELECT origin, size, root FROM built", (), |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, [u8; 32]>(2)?,
            ))
        })
        .optional()?;
    Ok(row.map(|(origin, size, root)| Built {
        origin,
        size: size.unsigned_abs(),
        root: Hash::from_bytes(root),
    }))
}

/// Brings the index up to the log's checkpoint, from where it was or from nothing.
pub(super) fn update(
    connection: &mut Connection,
    terms: &mut Terms,
    log: &SignedLog,
) -> Result<bool, IndexError> {
    terms.forget();
    let before = built(connection)?;
    let goes_on = match &before {
        None => false,
        Some(built) => {
            built.origin == log.checkpoint().origin && log.extends(built.size, built.root)?
        }
    };
    let mut from = 0;
    match before {
        Some(built) if goes_on => from = built.size,
        Some(built) => {
            tracing::warn!(
                size = built.size,
                "the log does not begin as it did when it was indexed: the index is built anew"
            );
            schema::make(connection)?;
        }
        None => {}
    }
    let end = log.checkpoint().size;
    while from < end {
        // Up to the end of a bundle, so that none is read twice.
        let to = ((from / BATCH + 1) * BATCH).min(end);
        if let Err(error) = batch(connection, terms, log, from, to) {
            terms.forget();
            return Err(error);
        }
        from = to;
    }
    Ok(!goes_on)
}

/// Takes the entries `from .. to` in one transaction.
fn batch(
    connection: &mut Connection,
    terms: &mut Terms,
    log: &SignedLog,
    from: u64,
    to: u64,
) -> Result<(), IndexError> {
    let transaction = connection.transaction()?;
    let mut rows = Rows {
        connection: &transaction,
        terms,
        log,
    };
    'bundles: for bundle in log.bundles(from) {
        for raw in bundle?.entries() {
            if raw.index >= to {
                break 'bundles;
            }
            if raw.index >= from {
                rows.take(&raw)?;
            }
        }
    }
    transaction.execute("DELETE FROM built", ())?;
    let root = log.root_at(to)?;
    transaction.execute(
        "INSERT INTO built (origin, size, root) VALUES (?1, ?2, ?3)",
        params![log.checkpoint().origin, number(to), root.as_bytes()],
    )?;
    transaction.commit()?;
    Ok(())
}
