//! How the store stands: what every commit reads, and leaves behind with what it changed.
//!
//! It is the last row of kind 1 of the table `entries`, whose `request` is the store's time, the
//! number of the last event, and the ids of what the commit changed. So a commit writes it beside
//! the entries that it moves, to the same page as a rule.

use approvals_core::store::StoreError;
use approvals_core::{RequestId, Timestamp};
use rusqlite::Connection;

use crate::entries;
use crate::rows::{self, Row};
use crate::script::Script;
use crate::transaction::Failure;

/// The last row's `request`, as a part of other statements.
macro_rules! latest {
    () => {
        "(SELECT request FROM entries WHERE kind = 1 AND value = '' ORDER BY part DESC LIMIT 1)"
    };
}
pub(crate) use latest;

/// [`latest!`], as `latest`.
pub(crate) const LATEST: &str = concat!("SELECT ", latest!(), " AS latest");

/// The number of the last row.
pub(crate) const LAST_CHANGE: &str = "
SELECT part AS last_change FROM entries WHERE kind = 1 AND value = '' ORDER BY part DESC LIMIT 1";

pub(crate) const HEAD: &str = "
SELECT last_change, latest, frozen, EXISTS (SELECT 1 FROM sinks) AS keeps_events
FROM (
    SELECT part AS last_change, request AS latest FROM entries
    WHERE kind = 1 AND value = '' ORDER BY part DESC LIMIT 1
) CROSS JOIN meta m";

/// How many changes one row tells of: it fits on a page beside others.
const TOLD_AT_ONCE: usize = 32;

/// How the store will stand when the transaction is committed.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) latest: Timestamp,
    pub(crate) last_event: u64,
    pub(crate) last_change: u64,
    pub(crate) frozen: Option<String>,
    /// Whether any sink is registered: what nobody will be offered is not kept.
    pub(crate) keeps_events: bool,
}

impl Head {
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        let Some(row) = Script::new(HEAD).row(connection)? else {
            return Err(Failure::Refused(StoreError::Invalid(
                "the store lacks the row that every store has: restore it from a backup".to_owned(),
            )));
        };
        let (latest, last_event) = numbers(&row, "latest")?;
        Ok(Self {
            latest,
            last_event,
            last_change: rows::number(&row, "last_change")?,
            frozen: rows::value::<Option<&str>>(&row, "frozen")?.map(str::to_owned),
            keeps_events: rows::value(&row, "keeps_events")?,
        })
    }

    /// Adds to what is written how the store stands now, and what was changed.
    pub(crate) fn write(&mut self, script: &mut Script, changed: &[RequestId]) {
        let mut rest = changed;
        loop {
            let (now, later) = rest.split_at(rest.len().min(TOLD_AT_ONCE));
            self.last_change += 1;
            let part = i64::try_from(self.last_change).unwrap_or(i64::MAX);
            let mut bytes = Vec::with_capacity(16 * (now.len() + 1));
            bytes.extend_from_slice(&self.latest.as_millis().to_be_bytes());
            bytes.extend_from_slice(&self.last_event.to_be_bytes());
            bytes.extend(now.iter().flat_map(|id| id.to_bytes()));
            entries::enters(script, 1, entries::nothing(), part, bytes);
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }
}

/// The time of the latest commit, from a row that has [`latest!`] in this column.
pub(crate) fn latest_in(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    numbers(row, column).map(|(latest, _)| latest)
}

/// What a row of kind 1 tells of changes.
pub(crate) fn changed_in(row: &Row) -> Result<impl Iterator<Item = RequestId>, StoreError> {
    let bytes: &[u8] = rows::value(row, "request")?;
    let ids = bytes.as_chunks::<16>().0.iter().skip(1);
    Ok(ids.map(|id| RequestId::from_bytes(*id)))
}

fn numbers(row: &Row, column: &str) -> Result<(Timestamp, u64), StoreError> {
    let bytes: &[u8] = rows::value(row, column)?;
    match bytes.as_chunks::<8>().0 {
        [latest, last_event, ..] => Ok((
            Timestamp::from_millis(u64::from_be_bytes(*latest)),
            u64::from_be_bytes(*last_event),
        )),
        _ => Err(rows::wrong(column, "it is too short")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_many_changes_tells_of_each_and_of_how_the_store_stands() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE entries (kind, value, part, request, PRIMARY KEY (part)) WITHOUT ROWID;
                 CREATE TABLE sinks (sink); CREATE TABLE meta (frozen); INSERT INTO meta VALUES (NULL)",
            )
            .unwrap();
        assert!(Head::read(&connection).is_err(), "every store has a row");
        let latest = Timestamp::from_millis(1_000_000);
        let mut head = Head {
            latest,
            last_event: 3,
            last_change: 9,
            frozen: None,
            keeps_events: false,
        };
        let ids: Vec<_> = (0..70).map(|_| RequestId::new(latest)).collect();
        for changed in [ids.as_slice(), &[]] {
            let mut script = Script::default();
            head.write(&mut script, changed);
            script.run(&connection).unwrap();
        }
        let read = Head::read(&connection).unwrap();
        assert_eq!(
            (read.latest, read.last_event, read.last_change),
            (latest, 3, 13)
        );
        let rows = Script::new("SELECT request FROM entries ORDER BY part");
        let rows = rows.rows(&connection).unwrap();
        assert_eq!(rows.len(), 4);
        let told: Vec<_> = rows
            .iter()
            .flat_map(|row| changed_in(row).unwrap())
            .collect();
        assert_eq!(told, ids);
    }
}
