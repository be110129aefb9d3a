//! Freeze, heartbeats and archiving.

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

/// Finished requests that decide about nothing any more. A grant decides until its end, used up or
/// not, and a denial while it closes one; what was denied, asked or proposed counts for a day.
const ARCHIVE: &str = "WITH old AS MATERIALIZED (SELECT id FROM requests r \
     WHERE phase IN ('succeeded', 'failed', 'denied', 'withdrawn', 'expired', 'revoked', 'lapsed') \
     AND changed_at < $1 AND NOT review_owed AND (grant_until IS NULL OR grant_until <= $2) \
     AND (denied_at IS NULL OR NOT EXISTS (SELECT FROM requests g WHERE g.digest = r.digest \
     AND g.decides AND g.grant_until > $2)) \
     ORDER BY changed_at LIMIT $3 FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM requests USING old WHERE requests.id = old.id \
     RETURNING requests.id, requests.record, requests.key), \
     kept AS (INSERT INTO archived (id, record) SELECT id, record FROM gone WHERE key IS NOT NULL) \
     SELECT count(*) AS archived FROM gone";

/// Without a sink nobody waits for the events of old.
const FORGET_UNHEARD: &str = "DELETE FROM events WHERE at < $1 AND NOT EXISTS (SELECT FROM sinks)";

/// How many are archived in one transaction.
const AT_ONCE: i64 = 500;

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

    /// Archives requests that finished before `before` and decide about nothing any more, and
    /// returns how many.
    ///
    /// They are listed no longer. Those that have a key can still be read, and the key still finds
    /// them: it names one logical call for good. The trail keeps all of them. Nothing is archived
    /// within a day of its last change, whatever `before` says, nor while a review of it is owed or
    /// its grant is open.
    ///
    /// It goes in small transactions: a crash leaves some archived and the others as they were.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been archived.
    pub async fn archive(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let some = self
                .transaction(&Locks::default(), &Archive { before })
                .await?;
            all += some;
            if some < AT_ONCE.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}

async fn time(store: &PostgresStore, connection: &mut PgConnection) -> Result<Timestamp, Failure> {
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

struct Archive {
    before: Timestamp,
}

#[async_trait]
impl Work for Archive {
    type Done = u64;

    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<u64>, Failure> {
        let now = time(store, connection).await?;
        let before = stored(self.before.min(now.minus(DAY)).as_millis());
        let row = sqlx::query(ARCHIVE)
            .bind(before)
            .bind(stored(now.as_millis()))
            .bind(AT_ONCE)
            .fetch_one(&mut *connection)
            .await?;
        let archived: i64 = row.try_get("archived")?;
        let forgotten = sqlx::query(FORGET_UNHEARD)
            .bind(before)
            .execute(connection)
            .await?;
        if archived == 0 && forgotten.rows_affected() == 0 {
            return Ok(Ended::RollBack(0));
        }
        Ok(Ended::Commit(archived.unsigned_abs()))
    }
}
