//! Which gate does which kind of background work, of all that share the tables.

use std::time::Duration;

use approvals_core::store::Duty;
use approvals_core::{OwnerId, StoreError};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::clock::{stored, timed};
use crate::failure::Failure;
use crate::transaction::{Ended, Locks, Work};

/// Takes a duty that is free, or keeps it. Two that want it at once wait for its row: whoever is
/// second judges what the first one wrote, by a time that was read before, and so never too soon.
pub(crate) const TAKE: &str = timed!(
    ", taken AS (INSERT INTO duties (duty, owner, until) SELECT $3, $4, now + $5 FROM time \
     ON CONFLICT (duty) DO UPDATE SET owner = excluded.owner, until = excluded.until \
     WHERE duties.owner = excluded.owner OR duties.until <= excluded.until - $5 RETURNING duty) \
     SELECT clock, latest, now, EXISTS (SELECT FROM taken) AS has FROM time"
);

const GIVE_UP: &str = "DELETE FROM duties WHERE duty = $1 AND owner = $2";

impl PostgresStore {
    pub(crate) async fn leased(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let duty = duty.to_string();
        if lease.is_zero() {
            let give_up = GiveUp { duty, owner };
            self.transaction(&Locks::default(), &give_up).await?;
            return Ok(false);
        }
        let take = Take { duty, owner, lease };
        self.transaction(&Locks::default(), &take).await
    }
}

struct Take {
    duty: String,
    owner: OwnerId,
    lease: Duration,
}

#[async_trait]
impl Work for Take {
    type Done = bool;

    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<bool>, Failure> {
        let asked = store.time.ask()?;
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        let row = sqlx::query(TAKE)
            .bind(asked.given)
            .bind(asked.told)
            .bind(&self.duty)
            .bind(self.owner.to_bytes().to_vec())
            .bind(stored(lease))
            .fetch_one(connection)
            .await?;
        store.time.of(&row, asked)?;
        Ok(if row.try_get("has")? {
            Ended::Commit(true)
        } else {
            Ended::RollBack(false)
        })
    }
}

struct GiveUp {
    duty: String,
    owner: OwnerId,
}

#[async_trait]
impl Work for GiveUp {
    type Done = ();

    async fn attempt(
        &self,
        _store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<()>, Failure> {
        sqlx::query(GIVE_UP)
            .bind(&self.duty)
            .bind(self.owner.to_bytes().to_vec())
            .execute(connection)
            .await?;
        Ok(Ended::Commit(()))
    }
}
