//! Deliveries: the copies of requests that channels have, and which of them are due.

use std::sync::Arc;

use approvals_core::store::Delivery;
use approvals_core::{ChannelId, RequestId, StoreError, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::clock::{stored, timed};
use crate::failure::Failure;
use crate::read::{at_most, ids};

/// A request that is not there, or no longer, has no copies to note.
///
/// Where a copy shows a later revision, which stands last, and nothing else of it is another,
/// nobody waits for the disk: most changes of a request come to that on every channel, and their flushes would keep the
/// next commit of the request waiting.
const NOTE: &str = "WITH same AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) \
     FROM deliveries WHERE request = $1 AND channel = $2 \
     AND regexp_replace(body, '\"revision\":[0-9]+}$', '') \
     = regexp_replace($3, '\"revision\":[0-9]+}$', '')) \
     INSERT INTO deliveries (request, channel, body, due, due_kept) \
     SELECT id, $2, $3, $4, 1 FROM requests WHERE id = $1 AND (SELECT count(*) FROM same) >= 0 \
     ON CONFLICT (request, channel) DO UPDATE SET body = excluded.body, due = excluded.due, \
     due_kept = deliveries.due_kept + 1";

const OF: &str = "SELECT body FROM deliveries WHERE request = $1 ORDER BY channel";

pub(crate) const DUE: &str = timed!(
    "SELECT clock, latest, now, ARRAY(SELECT request FROM deliveries WHERE channel = $3 \
     AND due <= time.now ORDER BY due, request LIMIT $4) AS due FROM time"
);

/// A delivery as it stands in its row.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) channel: String,
    pub(crate) body: String,
    /// When somebody has to work on it.
    pub(crate) due: Option<i64>,
}

impl Noted {
    pub(crate) fn of(delivery: &Delivery, asked_at: Timestamp) -> Result<Self, StoreError> {
        let body = serde_json::to_string(delivery)
            .map_err(|e| StoreError::Invalid(format!("a delivery cannot be written: {e}")))?;
        Ok(Self {
            channel: delivery.channel.to_string(),
            body,
            due: delivery.due(asked_at).map(|due| stored(due.as_millis())),
        })
    }
}

/// The copies of a request, where a row has them beside something else.
pub(crate) fn all(id: RequestId, row: &PgRow) -> Result<Arc<[Delivery]>, StoreError> {
    let bodies: Vec<String> = row.try_get("copies").map_err(Failure::of)?;
    bodies.iter().map(|body| decoded(id, body)).collect()
}

/// What stands in a delivery's row.
fn decoded(id: RequestId, body: &str) -> Result<Delivery, StoreError> {
    serde_json::from_str(body)
        .map_err(|e| StoreError::Invalid(format!("a delivery of {id} cannot be read: {e}")))
}

const BEFORE_ALL: Timestamp = Timestamp::from_millis(0);
const AFTER_ALL: Timestamp = Timestamp::from_millis(u64::MAX);

impl PostgresStore {
    pub(crate) async fn copies(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        let rows = self
            .rows(|| sqlx::query(OF).bind(id.to_bytes().to_vec()))
            .await?;
        rows.iter()
            .map(|row| decoded(id, row.try_get("body").map_err(Failure::of)?))
            .collect()
    }

    pub(crate) async fn note_copy(
        &self,
        id: RequestId,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        // Of an intent alone the time depends on when the request was made, which never changes.
        let depends = delivery.due(BEFORE_ALL) != delivery.due(AFTER_ALL);
        let asked_at = if depends {
            let Some(snapshot) = self.snapshot(id).await? else {
                return Ok(());
            };
            snapshot.record.asked.asked_at
        } else {
            BEFORE_ALL
        };
        let copy = Noted::of(delivery, asked_at)?;
        self.rows(|| {
            sqlx::query(NOTE)
                .bind(id.to_bytes().to_vec())
                .bind(copy.channel.clone())
                .bind(copy.body.clone())
                .bind(copy.due)
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn due_copies(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        let (row, _) = self
            .timed_row(|asked| {
                sqlx::query(DUE)
                    .bind(asked.given)
                    .bind(asked.told)
                    .bind(channel.as_str())
                    .bind(at_most(limit))
            })
            .await?;
        ids(&row, "due")
    }
}
