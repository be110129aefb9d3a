//! The trail's outbox and the cursors of its sinks.

use approvals_core::audit::{Event, NewEvent};
use approvals_core::{SinkId, StoreError};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::{Asked, unsigned};
use crate::exchange::{Exchange, Judgment, last_row};
use crate::failure::Failure;
use crate::literal::{Prepared, Values};
use crate::parameters::Parameters;
use crate::read::NOW;
use crate::rows;
use crate::transaction::{Attempt, Came, Ended, Locks, Work, within};

/// The time, and how far the events are numbered.
pub(crate) const NUMBERED: Prepared = Prepared {
    name: "approvals_numbered",
    types: "bigint, bigint",
    sql: NOW,
};

/// From the oldest event that is still there.
const REGISTER: &str = "INSERT INTO sinks (sink, acknowledged) \
     SELECT $1, coalesce((SELECT min(number) - 1 FROM events), (SELECT last_event FROM head)) \
     ON CONFLICT (sink) DO NOTHING";

/// The cursor stands beside the events that come after it, in one snapshot.
pub(crate) const OFFER: &str = "SELECT s.acknowledged, e.number, e.id, e.at, e.request, \
     e.revision, e.what FROM sinks s LEFT JOIN LATERAL (SELECT * FROM events \
     WHERE number > s.acknowledged ORDER BY number LIMIT $2) e ON true \
     WHERE s.sink = $1 ORDER BY e.number";

/// Moves a cursor, unless it would be moved ahead of the store. What every sink has then is kept no
/// longer.
pub(crate) const ACKNOWLEDGE: Prepared = Prepared {
    name: "approvals_acknowledge",
    types: "text, bigint",
    sql: "WITH moved AS (UPDATE sinks SET acknowledged = greatest(acknowledged, $2) \
     WHERE sink = $1 AND $2 <= (SELECT last_event FROM head) RETURNING sink, acknowledged), \
     forgotten AS (DELETE FROM events WHERE number <= (SELECT min(coalesce(m.acknowledged, \
     s.acknowledged)) FROM sinks s LEFT JOIN moved m ON m.sink = s.sink)) \
     SELECT last_event, EXISTS (SELECT FROM sinks WHERE sink = $1) AS known, \
     EXISTS (SELECT FROM moved) AS moved FROM head",
};

impl PostgresStore {
    pub(crate) async fn appended(&self, events: &[NewEvent]) -> Result<u64, StoreError> {
        let append = Append { events };
        self.exchange(&Locks::default(), &append).await
    }

    pub(crate) async fn registered(&self, sink: &SinkId) -> Result<(), StoreError> {
        let locks = Locks::default().sinks();
        self.transaction(&locks, &Register { sink }).await
    }

    pub(crate) async fn offered(
        &self,
        sink: &SinkId,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .rows(|| sqlx::query(OFFER).bind(sink.to_string()).bind(limit))
            .await?;
        let first = rows.first().ok_or_else(|| unregistered(sink))?;
        let mut last = unsigned(first.try_get("acknowledged").map_err(Failure::of)?);
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let number: Option<i64> = row.try_get("number").map_err(Failure::of)?;
            if number.is_none() {
                break;
            }
            let event = rows::event(row)?;
            // A sink that were handed the later ones would never know.
            if event.number != last.saturating_add(1) {
                return Err(StoreError::Invalid(format!(
                    "the events between {last} and {} are gone, and the sink `{sink}` has not had them: restore the store from a backup",
                    event.number
                )));
            }
            last = event.number;
            events.push(event);
        }
        Ok(events)
    }

    pub(crate) async fn acknowledged(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        // Where a crash undoes it, the events are offered again: a sink knows what it has.
        let locks = Locks::default().sinks().forgettable();
        let acknowledge = Acknowledge { sink, number };
        self.attempts(&locks, &acknowledge).await
    }
}

fn unregistered(sink: &SinkId) -> StoreError {
    StoreError::Invalid(format!(
        "the sink `{sink}` is not registered with the store"
    ))
}

struct Append<'a> {
    events: &'a [NewEvent],
}

impl Exchange for Append<'_> {
    type Done = u64;

    fn question(&self, asked: Asked) -> String {
        NUMBERED.execute(&asked.values())
    }

    fn judge(
        &self,
        store: &PostgresStore,
        row: &PgRow,
        asked: Asked,
    ) -> Result<Judgment<u64>, Failure> {
        let now = store.time.of(row, asked)?;
        let before = rows::last_event(row)?.unwrap_or(0);
        if self.events.is_empty() {
            return Ok(Judgment::Answer(before));
        }
        let write = rows::append(self.events, now)?;
        let outcome = move |row: &PgRow| Ok(rows::last_event(row)?.unwrap_or(before));
        Ok(Judgment::Write(write, Box::new(outcome)))
    }
}

struct Register<'a> {
    sink: &'a SinkId,
}

#[async_trait]
impl Work for Register<'_> {
    type Done = ();

    async fn attempt(
        &self,
        _store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<()>, Failure> {
        sqlx::query(REGISTER)
            .bind(self.sink.as_str())
            .execute(connection)
            .await?;
        Ok(Ended::Commit(()))
    }
}

struct Acknowledge<'a> {
    sink: &'a SinkId,
    number: u64,
}

#[async_trait]
impl Attempt for Acknowledge<'_> {
    type Done = ();

    /// All of it in one round trip: what is refused has changed nothing.
    async fn make(
        &self,
        _store: &PostgresStore,
        connection: &mut PgConnection,
        begin: &str,
        deadline: Instant,
    ) -> Result<Came<()>, Failure> {
        let values = Values::default()
            .text(self.sink.as_str())
            .count(self.number);
        let statements = format!("{begin}; {}; COMMIT", ACKNOWLEDGE.execute(&values));
        // Moved once or twice, a cursor stands where it stands: one that was lost is sent again.
        let row = within(deadline, last_row(connection, statements)).await?;
        if !row.try_get("known")? {
            return Err(unregistered(self.sink).into());
        }
        if row.try_get("moved")? {
            return Ok(Came::Committed(()));
        }
        let last = unsigned(row.try_get("last_event")?);
        Err(Failure::invalid(format!(
            "the sink `{}` acknowledges event {}, and the last one is {last}: it belongs to another store",
            self.sink, self.number
        )))
    }
}
