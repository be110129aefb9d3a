//! Deliveries: the copies of requests that channels have.

use std::sync::Arc;

use approvals_core::store::Delivery;
use approvals_core::{RequestId, StoreError};
use sqlx::Row;

use crate::PostgresStore;
use crate::failure::Failure;

/// A request that is not there, or no longer, has no copies to note.
const NOTE: &str = "INSERT INTO deliveries (request, channel, body) \
     SELECT id, $2, $3 FROM requests WHERE id = $1 \
     ON CONFLICT (request, channel) DO UPDATE SET body = excluded.body";

const OF: &str = "SELECT body FROM deliveries WHERE request = $1 ORDER BY channel";

/// A delivery as it stands in its row.
pub(crate) fn body(delivery: &Delivery) -> Result<String, StoreError> {
    serde_json::to_string(delivery)
        .map_err(|e| StoreError::Invalid(format!("a delivery cannot be written: {e}")))
}

impl PostgresStore {
    pub(crate) async fn copies(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        let rows = self
            .rows(|| sqlx::query(OF).bind(id.to_bytes().to_vec()))
            .await?;
        rows.iter()
            .map(|row| {
                let body: &str = row.try_get("body").map_err(Failure::of)?;
                serde_json::from_str(body).map_err(|e| {
                    StoreError::Invalid(format!("a delivery of {id} cannot be read: {e}"))
                })
            })
            .collect()
    }

    pub(crate) async fn note_copy(
        &self,
        id: RequestId,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let body = body(delivery)?;
        self.rows(|| {
            sqlx::query(NOTE)
                .bind(id.to_bytes().to_vec())
                .bind(delivery.channel.to_string())
                .bind(body.clone())
        })
        .await?;
        Ok(())
    }
}
