//! Freeze and heartbeats.

use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::store::Freeze;
use approvals_core::{OwnerId, StoreError, Timestamp};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::clock::{Asked, stored};
use crate::exchange::{Exchange, Judgment};
use crate::failure::Failure;
use crate::literal::{Prepared, Values};
use crate::parameters::Parameters;
use crate::read::NOW;
use crate::rows;
use crate::trail::NUMBERED;
use crate::transaction::{Ended, Locks, Work};

pub(crate) const FREEZE: Prepared = Prepared {
    name: "approvals_freeze",
    types: "text",
    sql: "INSERT INTO frozen (body) VALUES ($1) ON CONFLICT (one) DO UPDATE SET body = excluded.body",
};

const THAW: &str = "DELETE FROM frozen";

/// The time is kept as well: while any gate lives, no other process can be told an earlier one.
const HEARTBEAT: &str = "WITH beat AS (INSERT INTO heartbeats (owner, until) VALUES ($1, $2) \
     ON CONFLICT (owner) DO UPDATE SET until = excluded.until) \
     UPDATE head SET latest = greatest(latest, $3)";

/// Long after it said so, nobody asks whether a gate is alive: nothing known of it means gone.
const FORGET: &str = "DELETE FROM heartbeats WHERE until < $1";

const DAY: Duration = Duration::from_secs(24 * 3600);

impl PostgresStore {
    pub(crate) async fn frozen_by(&self) -> Result<Option<Freeze>, StoreError> {
        let rows = self.rows(|| sqlx::query("SELECT body FROM frozen")).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let body: &str = row.try_get("body").map_err(Failure::of)?;
        serde_json::from_str(body)
            .map(Some)
            .map_err(|e| StoreError::Invalid(format!("the freeze cannot be read: {e}")))
    }

    pub(crate) async fn freeze_set(
        &self,
        freeze: Option<&Freeze>,
        event: NewEvent,
    ) -> Result<(), StoreError> {
        let body = freeze
            .map(serde_json::to_string)
            .transpose()
            .map_err(|e| StoreError::Invalid(format!("the freeze cannot be written: {e}")))?;
        // Whatever was judged before it was frozen is committed before it is frozen.
        let locks = Locks::default().nothing_starts();
        let event = [event];
        self.exchange(&locks, &SetFreeze { body, event }).await
    }

    pub(crate) async fn beat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        let locks = Locks::default().forgettable();
        self.transaction(&locks, &Beat { owner, lease }).await
    }
}

pub(crate) async fn time(
    store: &PostgresStore,
    connection: &mut PgConnection,
) -> Result<Timestamp, Failure> {
    let asked = store.time.ask()?;
    let row = sqlx::query(NOW)
        .bind(asked.given)
        .bind(asked.told)
        .fetch_one(connection)
        .await?;
    store.time.of(&row, asked)
}

struct SetFreeze {
    body: Option<String>,
    event: [NewEvent; 1],
}

impl Exchange for SetFreeze {
    type Done = ();

    fn question(&self, asked: Asked) -> String {
        NUMBERED.execute(&asked.values())
    }

    fn judge(
        &self,
        store: &PostgresStore,
        row: &PgRow,
        asked: Asked,
    ) -> Result<Judgment<()>, Failure> {
        let now = store.time.of(row, asked)?;
        let set = match &self.body {
            Some(body) => FREEZE.execute(&Values::default().text(body)),
            None => THAW.to_owned(),
        };
        let noted = rows::append(&self.event, now)?;
        Ok(Judgment::Write(
            format!("{set}; {noted}"),
            Box::new(|_| Ok(())),
        ))
    }
}

struct Beat {
    owner: OwnerId,
    lease: Duration,
}

#[async_trait]
impl Work for Beat {
    type Done = ();

    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<()>, Failure> {
        let now = time(store, connection).await?;
        sqlx::query(FORGET)
            .bind(stored(now.minus(DAY).as_millis()))
            .execute(&mut *connection)
            .await?;
        sqlx::query(HEARTBEAT)
            .bind(self.owner.to_bytes().to_vec())
            .bind(stored(now.plus(self.lease).as_millis()))
            .bind(stored(now.as_millis()))
            .execute(connection)
            .await?;
        Ok(Ended::Commit(()))
    }
}
