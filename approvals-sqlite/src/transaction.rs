//! One transaction: what every change in it reads and writes.

use std::path::Path;

use approvals_core::audit::NewEvent;
use approvals_core::store::{StoreError, encoding};
use approvals_core::{RequestId, Timestamp};
use rusqlite::Connection;

use crate::clock::StoreClock;
use crate::error::told;
use crate::head::Head;
use crate::lately::Lately;
use crate::script::Script;

/// Why a change was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was judged and refused: nothing of it was written.
    Refused(StoreError),
    /// A statement failed.
    Sql(rusqlite::Error),
}

impl Failure {
    /// As whoever asked is told.
    pub(crate) fn told(self, path: &Path) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => told(path, &error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

const EVENT: &str =
    "; INSERT INTO events (number, id, at, request, revision, what) VALUES (?, ?, ?, ?, ?, ?)";

/// A transaction that holds the write lock.
#[derive(Debug)]
pub(crate) struct Transaction<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) clock: &'c StoreClock,
    pub(crate) lately: &'c mut Lately,
    pub(crate) head: Head,
    /// Records that were changed, for hints after the commit.
    changed: Vec<RequestId>,
    /// Whether anything was written.
    written: bool,
    /// Whether a change began to write and did not come to its end: nothing may be committed.
    pub(crate) half_written: bool,
}

impl<'c> Transaction<'c> {
    /// Takes the write lock.
    pub(crate) fn begin(
        connection: &'c Connection,
        clock: &'c StoreClock,
        lately: &'c mut Lately,
    ) -> Result<Self, Failure> {
        Script::new("BEGIN IMMEDIATE").run(connection)?;
        let head = match lately.begin(connection)? {
            Some(head) => head,
            None => Head::read(connection)?,
        };
        Ok(Self {
            connection,
            clock,
            lately,
            head,
            changed: Vec::new(),
            written: false,
            half_written: false,
        })
    }

    /// The store's time, read while the lock is held. It is stored with the commit.
    pub(crate) fn now(&mut self) -> Result<Timestamp, StoreError> {
        let now = self.clock.now(self.head.latest)?;
        self.head.latest = now;
        Ok(now)
    }

    /// Commits, and returns which records were changed.
    pub(crate) fn commit(mut self) -> Result<Vec<RequestId>, rusqlite::Error> {
        if !self.written {
            // Nothing to wait for the disk for.
            Script::new("COMMIT").run(self.connection)?;
            return Ok(Vec::new());
        }
        let mut script = Script::default();
        self.head.write(&mut script, &self.changed);
        script.add("; COMMIT");
        script.run(self.connection)?;
        self.lately.committed(self.head);
        Ok(self.changed)
    }

    /// Writes what a change comes to. It is the last that a change does, so that whatever is refused
    /// has written nothing.
    pub(crate) fn write(&mut self, script: Script) -> Result<(), rusqlite::Error> {
        self.written = true;
        self.half_written = true;
        script.run(self.connection)?;
        self.half_written = false;
        Ok(())
    }

    /// Adds events to what a change writes; their numbers follow those that there are. `texts` are
    /// those of the first, where they were put into words before.
    pub(crate) fn events(
        &mut self,
        script: &mut Script,
        events: &[NewEvent],
        texts: &[String],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (place, event) in events.iter().enumerate() {
            self.head.last_event += 1;
            if !self.head.keeps_events {
                continue;
            }
            let (request, revision) = event.about.map_or((None, 0), |(id, rev)| (Some(id), rev));
            script
                .add(if place == 0 {
                    EVENT
                } else {
                    ", (?, ?, ?, ?, ?, ?)"
                })
                .bind_number(self.head.last_event)
                .bind(event.id.to_bytes().to_vec())
                .bind_number(now.as_millis())
                .bind(request.map(|id| id.to_bytes().to_vec()))
                .bind_number(revision)
                .bind(match texts.get(place) {
                    Some(text) => text.clone(),
                    None => encoding::encode_event(&event.what)?,
                });
        }
        Ok(())
    }

    /// Notes that a record is changed, for waiters here and in other processes.
    pub(crate) fn changed(&mut self, id: RequestId) {
        self.changed.push(id);
    }
}
