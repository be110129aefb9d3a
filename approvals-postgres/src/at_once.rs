//! A swap in one round trip, where nothing stands against it.

use approvals_core::StoreError;
use approvals_core::review::{Phase, SCHEMA, stands};
use approvals_core::store::Swap;
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::{Asked, Trusted};
use crate::exchange::only_row;
use crate::failure::Failure;
use crate::parameters::{Bound, Parameters};
use crate::rows::{self, When};
use crate::transaction::{Attempt, Came, Locks, within};

/// Replaces a record if everything is so that it may be, and else changes nothing. Why nothing was
/// changed is found out under the same locks by [`JUDGED_BY`](crate::swap::JUDGED_BY).
pub(crate) const SWAP: &str = "SELECT (done IS NOT NULL)::int::bigint AS changed, done[1] AS clock, done[2] AS latest, \
     done[3] AS now, done[4] AS last_event FROM (SELECT swap_in_one($1, $2, $3, $4, $5, $6, $7, $8, $9, \
     $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, \
     $29) AS done OFFSET 0) AS one";

impl PostgresStore {
    /// The number of the last event, or `None` where something may stand against the swap: then
    /// nothing was done.
    pub(crate) async fn swap_at_once(
        &self,
        locks: &Locks,
        swap: &Swap,
    ) -> Result<Option<u64>, StoreError> {
        // Committed as it ends, a swap that finds its connection lost may have been done.
        // So it is sent on one that was heard of just now.
        if !self.connections.was_heard_of_just_now() {
            return Ok(None);
        }
        let Some(trusted) = self.time.trusted() else {
            return Ok(None);
        };
        let follows = swap.record.revision == swap.expected.saturating_add(1);
        if !follows || swap.events.is_empty() || !stands_alone(swap, trusted) {
            return Ok(None);
        }
        let values = self.values(locks, swap, trusted);
        let values = values.map_err(StoreError::from)?;
        self.at_once(SWAP, values).await
    }

    /// Makes attempts at a statement that is a transaction by itself, and takes its locks first.
    pub(crate) async fn at_once(
        &self,
        statement: &'static str,
        values: PgArguments,
    ) -> Result<Option<u64>, StoreError> {
        let attempt = AtOnce { statement, values };
        self.attempts(&Locks::default(), &attempt).await
    }

    fn values(&self, locks: &Locks, swap: &Swap, trusted: Trusted) -> Result<PgArguments, Failure> {
        let Swap {
            record,
            events,
            not_after,
            unfrozen,
            stands,
            ..
        } = swap;
        let when = When {
            now: trusted.told,
            not_after: *not_after,
        };
        let said = rows::said_here(record);
        let decided = record.state.phase() != Phase::Pending;
        let values = rows::numbered::<Bound>(events, when)?;
        let values = rows::with_columns(values, record)?
            .flag(said.is_some())
            .bytes(rows::proposed_to(record, said.as_ref()).as_deref())
            .flag(decided)
            .text(&self.channel)
            .text(&rows::payload(record, self.hint()))
            .count(trusted.latest.as_millis())
            .count(SCHEMA.into())
            .flag(*unfrozen)
            .flag(*stands)
            .bytes(Some(record.asked.digest.as_bytes()));
        locks.bound(values).arguments()
    }
}

/// Whether what leads to a run leans on no grant, and may run where no equal call decides.
fn stands_alone(swap: &Swap, trusted: Trusted) -> bool {
    let record = &swap.record;
    !swap.stands || (record.granted_by.is_none() && stands(record, &[], None, trusted.told).is_ok())
}

/// A statement that says under which conditions it changes anything, and is committed as it ends.
struct AtOnce {
    statement: &'static str,
    values: PgArguments,
}

#[async_trait]
impl Attempt for AtOnce {
    type Done = Option<u64>;

    async fn make(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
        _: &str,
        deadline: Instant,
    ) -> Result<Came<Option<u64>>, Failure> {
        let asked = store.time.ask()?;
        // All of the answer is awaited: the server commits after the row.
        let rows = within(deadline, async {
            let statement = sqlx::query_with(self.statement, self.values.clone());
            only_row(statement.fetch_all(connection).await?)
        });
        let row = rows.await.map_err(Failure::of_commit)?;
        let done = done(store, &row, asked).map_err(Failure::after_commit)?;
        Ok(Came::Committed(done))
    }
}

fn done(store: &PostgresStore, row: &PgRow, asked: Asked) -> Result<Option<u64>, Failure> {
    if row.try_get::<i64, _>("changed")? == 0 {
        return Ok(None);
    }
    store.time.of(row, asked)?;
    rows::last_event(row)
}
