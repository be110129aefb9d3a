//! One transaction: what every change in it reads and writes.

use approvals_core::audit::NewEvent;
use approvals_core::store::{StoreError, encoding};
use approvals_core::{RequestId, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::clock::StoreClock;
use crate::rows;
use crate::script::Script;

/// Why a change was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was judged and refused: nothing of it was written.
    Refused(StoreError),
    /// A statement failed.
    Sql(sqlx::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// The row of `meta`, as it will stand when the transaction is committed.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) latest: Timestamp,
    pub(crate) last_event: u64,
    pub(crate) last_change: u64,
    pub(crate) frozen: Option<String>,
    /// Whether any sink is registered: what nobody will be offered is not kept.
    pub(crate) keeps_events: bool,
    /// Records that were changed, for hints after the commit.
    pub(crate) changed: Vec<RequestId>,
}

/// A transaction that holds the write lock.
#[derive(Debug)]
pub(crate) struct Transaction<'c> {
    pub(crate) connection: &'c mut SqliteConnection,
    pub(crate) clock: &'c StoreClock,
    pub(crate) head: Head,
    /// Whether anything was written.
    written: bool,
}

impl<'c> Transaction<'c> {
    /// Takes the write lock.
    pub(crate) async fn begin(
        connection: &'c mut SqliteConnection,
        clock: &'c StoreClock,
    ) -> Result<Self, Failure> {
        let begin = Script::new(
            "BEGIN IMMEDIATE; SELECT latest, last_event, last_change, frozen, EXISTS (SELECT 1 FROM sinks) AS keeps_events FROM meta",
        );
        let row = begin.row(connection).await?.ok_or_else(|| {
            StoreError::Invalid(
                "the store lacks the row that every store has: restore it from a backup".to_owned(),
            )
        })?;
        let head = Head {
            latest: rows::time(&row, "latest")?,
            last_event: rows::number(&row, "last_event")?,
            last_change: rows::number(&row, "last_change")?,
            frozen: rows::value(&row, "frozen")?,
            keeps_events: rows::value(&row, "keeps_events")?,
            changed: Vec::new(),
        };
        Ok(Self {
            connection,
            clock,
            head,
            written: false,
        })
    }

    /// The store's time, read while the lock is held. It is stored with the commit.
    pub(crate) fn now(&mut self) -> Result<Timestamp, StoreError> {
        let now = self.clock.now(self.head.latest)?;
        self.head.latest = now;
        Ok(now)
    }

    /// Commits, and returns which records were changed.
    pub(crate) async fn commit(self) -> Result<Vec<RequestId>, sqlx::Error> {
        if !self.written {
            // Nothing to wait for the disk for.
            Script::new("COMMIT").run(self.connection).await?;
            return Ok(Vec::new());
        }
        let Head {
            latest,
            last_event,
            last_change,
            frozen,
            changed,
            ..
        } = self.head;
        let mut script = Script::new(
            "UPDATE meta SET latest = ?, last_event = ?, last_change = ?, frozen = ?; COMMIT",
        );
        script
            .bind_number(latest.as_millis())
            .bind_number(last_event)
            .bind_number(last_change)
            .bind(frozen);
        script.run(self.connection).await?;
        Ok(changed)
    }

    /// What a change writes, undone as a whole when a part of it fails.
    pub(crate) fn script() -> Script {
        Script::new("SAVEPOINT change")
    }

    /// Writes it.
    pub(crate) async fn write(&mut self, mut script: Script) -> Result<(), sqlx::Error> {
        script.add("; RELEASE change");
        self.written = true;
        script.run(self.connection).await
    }

    /// Adds events to what a change writes; their numbers follow those that there are.
    pub(crate) fn events(
        &mut self,
        script: &mut Script,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for event in events {
            self.head.last_event += 1;
            if !self.head.keeps_events {
                continue;
            }
            let (request, revision) = event.about.map_or((None, 0), |(id, rev)| (Some(id), rev));
            script
                .add("; INSERT INTO events (number, id, at, request, revision, what) VALUES (?, ?, ?, ?, ?, ?)")
                .bind_number(self.head.last_event)
                .bind(event.id.to_bytes().to_vec())
                .bind_number(now.as_millis())
                .bind(request.map(|id| id.to_bytes().to_vec()))
                .bind_number(revision)
                .bind(encoding::encode_event(&event.what)?);
        }
        Ok(())
    }

    /// Notes that a record is changed, for waiters here and in other processes.
    pub(crate) fn changed(&mut self, script: &mut Script, id: RequestId) {
        self.head.last_change += 1;
        self.head.changed.push(id);
        script
            .add("; INSERT INTO changes (number, request) VALUES (?, ?)")
            .bind_number(self.head.last_change)
            .bind(id.to_bytes().to_vec());
    }
}
