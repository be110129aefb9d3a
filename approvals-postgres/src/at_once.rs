//! A swap in one round trip, where nothing stands against it.

use approvals_core::StoreError;
use approvals_core::review::{Phase, SCHEMA, stands};
use approvals_core::store::Swap;
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::{Asked, Trusted};
use crate::exchange::last_row;
use crate::failure::Failure;
use crate::literal::Prepared;
use crate::rows::{self, When};
use crate::transaction::{Attempt, Came, Locks, within};

/// Replaces a record if everything is so that it may be, and else changes nothing: the revision is
/// the one before, its schema is known (`$24`), the clock goes on as it should (`$5` and `$23`), the
/// deadline has not come, nothing is frozen where that counts (`$25`) and no equal call decides
/// where that counts (`$26`, `$27`). Why nothing was changed is found out under the same locks by
/// [`JUDGED_BY`](crate::swap::JUDGED_BY).
pub(crate) const SWAP: Prepared = Prepared {
    name: "approvals_swap",
    types: "bytea[], bytea[], bigint[], text[], bigint, bigint, bytea, bigint, integer, text, text, \
            bigint, bytea, boolean, bigint, bigint, boolean, boolean, bytea, boolean, text, text, \
            bigint, integer, boolean, boolean, bytea",
    sql: "WITH reading AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)\
          ::bigint AS clock, latest FROM head LIMIT 1), \
          time AS MATERIALIZED (SELECT *, greatest(clock, latest, $5) AS now FROM reading), \
          stood AS MATERIALIZED (SELECT r.id, r.phase AS was, time.now FROM requests r, time \
          WHERE r.id = $7 AND r.revision = $8 - 1 AND r.schema <= $24 \
          AND clock BETWEEN greatest(latest, $5) - 2000 AND $23 \
          AND ($6 IS NULL OR time.now < $6) \
          AND NOT ($25 AND EXISTS (SELECT FROM frozen)) \
          AND NOT ($26 AND EXISTS (SELECT FROM requests e WHERE e.digest = $27 AND e.decides \
          AND e.phase IN ('executing', 'in_doubt') AND e.id <> $7))), \
          replaced AS (UPDATE requests r SET revision = $8, schema = $9, phase = $10, record = $11, \
          due_at = $12, awaited_by = $13, decides = $14, grant_until = $15, denied_at = $16, \
          review_owed = $17, changed_at = stood.now, \
          denied_here_at = CASE WHEN $18 AND was = 'pending' THEN stood.now \
          ELSE r.denied_here_at END, \
          proposed_to = CASE WHEN was = 'pending' THEN coalesce($19, r.proposed_to) \
          ELSE r.proposed_to END \
          FROM stood WHERE r.id = stood.id RETURNING stood.was, stood.now), \
          numbered AS (UPDATE head SET last_event = head.last_event + cardinality($1), \
          latest = greatest(head.latest, replaced.now) FROM replaced \
          RETURNING head.last_event, head.last_event - cardinality($1) AS before, head.latest), \
          noted AS (INSERT INTO events (number, id, at, request, revision, what) \
          SELECT before + e.place, e.id, CASE WHEN $6 IS NULL OR latest < $6 THEN latest END, \
          e.request, e.revision, e.what FROM numbered, unnest($1, $2, $3, $4) \
          WITH ORDINALITY AS e (id, request, revision, what, place)) \
          SELECT clock, latest, now, (SELECT count(*) FROM replaced) AS changed, \
          (SELECT last_event FROM numbered) AS last_event, \
          CASE WHEN $20 AND EXISTS (SELECT FROM replaced WHERE was = 'pending') \
          THEN pg_notify($21, $22) END FROM time",
};

impl PostgresStore {
    /// The number of the last event, or `None` where something may stand against the swap: then
    /// nothing was done.
    pub(crate) async fn swap_at_once(
        &self,
        locks: &Locks,
        swap: &Swap,
    ) -> Result<Option<u64>, StoreError> {
        // Sent together with its `COMMIT`, a swap that finds its connection lost may have been done.
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
        let statement = self.statement(swap, trusted).map_err(StoreError::from)?;
        self.attempts(locks, &AtOnce { statement }).await
    }

    fn statement(&self, swap: &Swap, trusted: Trusted) -> Result<String, Failure> {
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
        let values = rows::with_columns(rows::numbered(events, when)?, record)?
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
        Ok(SWAP.execute(&values))
    }
}

/// Whether what leads to a run leans on no grant, and may run where no equal call decides.
fn stands_alone(swap: &Swap, trusted: Trusted) -> bool {
    let record = &swap.record;
    !swap.stands || (record.granted_by.is_none() && stands(record, &[], None, trusted.told).is_ok())
}

/// A statement that says under which conditions it changes anything, together with its `COMMIT`.
pub(crate) struct AtOnce {
    pub(crate) statement: String,
}

#[async_trait]
impl Attempt for AtOnce {
    type Done = Option<u64>;

    async fn make(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
        begin: &str,
        deadline: Instant,
    ) -> Result<Came<Option<u64>>, Failure> {
        let asked = store.time.ask()?;
        let statements = format!("{begin}; {}; COMMIT", self.statement);
        let row = within(deadline, last_row(connection, statements));
        let row = row.await.map_err(Failure::of_commit)?;
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
