//! What sinks have noted of themselves, by which a log that several processes write is one.

use approvals_core::{SinkId, StoreError};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::failure::Failure;
use crate::transaction::{Ended, Locks, Work};

pub(crate) const SEAL: &str = "SELECT seal FROM seals WHERE sink = $1";

const FIRST: &str = "INSERT INTO seals (sink, seal) VALUES ($1, $2) ON CONFLICT (sink) DO NOTHING";

/// Two that replace one seal wait for its row: whoever is second finds another one there.
const NEXT: &str = "UPDATE seals SET seal = $2 WHERE sink = $1 AND seal = $3";

impl PostgresStore {
    pub(crate) async fn sealed(&self, sink: &SinkId) -> Result<Option<String>, StoreError> {
        let rows = self
            .rows(|| sqlx::query(SEAL).bind(sink.to_string()))
            .await?;
        let seal = rows.first().map(|row| row.try_get("seal"));
        Ok(seal.transpose().map_err(Failure::of)?)
    }

    pub(crate) async fn seal_swapped(
        &self,
        sink: &SinkId,
        expected: Option<&str>,
        seal: &str,
    ) -> Result<bool, StoreError> {
        let swap = SwapSeal {
            sink,
            expected,
            seal,
        };
        self.transaction(&Locks::default(), &swap).await
    }
}

struct SwapSeal<'a> {
    sink: &'a SinkId,
    expected: Option<&'a str>,
    seal: &'a str,
}

#[async_trait]
impl Work for SwapSeal<'_> {
    type Done = bool;

    async fn attempt(
        &self,
        _store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<bool>, Failure> {
        let statement = sqlx::query(match self.expected {
            Some(_) => NEXT,
            None => FIRST,
        });
        let statement = statement.bind(self.sink.as_str()).bind(self.seal);
        let statement = match self.expected {
            Some(expected) => statement.bind(expected),
            None => statement,
        };
        let changed = statement.execute(connection).await?.rows_affected();
        Ok(if changed > 0 {
            Ended::Commit(true)
        } else {
            Ended::RollBack(false)
        })
    }
}
