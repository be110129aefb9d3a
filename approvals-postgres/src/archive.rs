//! Archiving: finished requests go, keys and the trail stay.

use std::time::Duration;

use approvals_core::StoreError;
use approvals_core::store::encoding;
use approvals_core::store::retention::{FINISHED_IS_KEPT_FOR, tombstone};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::clock::stored;
use crate::failure::Failure;
use crate::operate::time;
use crate::rows;
use crate::transaction::{Ended, Locks, Work};

/// Finished requests that decide about nothing any more, after those that were looked at before. A
/// grant decides until its end, used up or not, and a denial while it closes one; what was denied,
/// asked or proposed counts for a day.
pub(crate) const FINISHED: &str = "SELECT id, changed_at, \
     CASE WHEN key IS NOT NULL THEN record END AS keyed FROM requests r \
     WHERE phase IN ('succeeded', 'failed', 'denied', 'withdrawn', 'expired', 'revoked', 'lapsed') \
     AND changed_at <= $1 AND (changed_at, id) > ($2, $3) \
     AND NOT review_owed AND (grant_until IS NULL OR grant_until <= $4) \
     AND (denied_at IS NULL OR coalesce((SELECT max(g.grant_until) FROM requests g \
     WHERE g.digest = r.digest AND g.decides), 0) <= $4) \
     ORDER BY changed_at, id LIMIT $5 FOR UPDATE SKIP LOCKED";

const GO: &str = "WITH kept AS (INSERT INTO archived (id, record) \
     SELECT * FROM unnest($2::bytea[], $3::text[])) \
     DELETE FROM requests WHERE id = ANY($1)";

/// Without a sink nobody waits for the events of old.
const FORGET_UNHEARD: &str = "DELETE FROM events WHERE at < $1 AND NOT EXISTS (SELECT FROM sinks)";

/// How many are looked at in one transaction.
const AT_ONCE: i64 = 500;

impl PostgresStore {
    /// Archives requests that finished so long ago, at least a day, and decide about nothing any
    /// more: their records go, and how many did is returned. What is left of a request with a key
    /// is its outcome, which is still found under the key and read under its id. The trail has the
    /// rest.
    ///
    /// Kept are denials that close a grant, open grants, and whatever owes a review or is in doubt.
    ///
    /// It goes in small transactions: a crash leaves some archived and the others as they were;
    /// archiving again goes on.
    ///
    /// # Errors
    /// [`StoreError`]; what was archived before stays archived.
    pub(crate) async fn archive_all(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let finished_for = finished_for.max(FINISHED_IS_KEPT_FOR);
        let mut archived = 0_u64;
        let mut after = None;
        loop {
            let step = Archive {
                finished_for,
                after,
            };
            let Step {
                archived: more,
                last,
            } = self.transaction(&Locks::default(), &step).await?;
            archived = archived.saturating_add(more);
            if last.is_none() {
                return Ok(archived);
            }
            after = last;
        }
    }
}

/// A request, in the order of the time at which it finished.
type Place = (i64, Vec<u8>);

struct Archive {
    finished_for: Duration,
    after: Option<Place>,
}

struct Step {
    archived: u64,
    /// The last one that was looked at; none when there is no further one.
    last: Option<Place>,
}

#[async_trait]
impl Work for Archive {
    type Done = Step;

    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<Step>, Failure> {
        let now = time(store, connection).await?;
        let before = stored(now.minus(self.finished_for).as_millis());
        let (at, id) = self.after.clone().unwrap_or((-1, Vec::new()));
        let found = sqlx::query(FINISHED)
            .bind(before)
            .bind(at)
            .bind(id)
            .bind(stored(now.as_millis()))
            .bind(AT_ONCE)
            .fetch_all(&mut *connection)
            .await?;
        let mut going = Vec::with_capacity(found.len());
        let (mut kept, mut rests) = (Vec::new(), Vec::new());
        let mut last = None;
        for row in &found {
            let id: &[u8] = row.try_get("id")?;
            last = Some((row.try_get("changed_at")?, id.to_vec()));
            match rest(id, row) {
                Ok(rest) => {
                    going.push(id.to_vec());
                    if let Some(rest) = rest {
                        kept.push(id.to_vec());
                        rests.push(rest);
                    }
                }
                // A newer version will archive what it wrote, and what is damaged is evidence.
                Err(error) => tracing::warn!(?error, "it is not archived"),
            }
        }
        let gone = sqlx::query(GO)
            .bind(going)
            .bind(kept)
            .bind(rests)
            .execute(&mut *connection)
            .await?;
        sqlx::query(FORGET_UNHEARD)
            .bind(before)
            .execute(connection)
            .await?;
        Ok(Ended::Commit(Step {
            archived: gone.rows_affected(),
            last,
        }))
    }
}

/// What is left of a request with a key.
fn rest(id: &[u8], row: &PgRow) -> Result<Option<String>, Failure> {
    let keyed: Option<&str> = row.try_get("keyed")?;
    let Some(text) = keyed else { return Ok(None) };
    let record = rows::record(&rows::request(id)?.to_string(), text)?;
    Ok(Some(encoding::encode(&tombstone(&record))?))
}
