//! Callers that come back to a database after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::returning::{self, Place, RETURNING};
use approvals_benches::table::Table;
use approvals_core::store::encoding;
use approvals_core::{Record, RequestId};
use approvals_postgres::PostgresStore;
use sqlx::Row;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::{beside, store};

const SCHEMA: &str = "returning";

/// A database.
struct InDatabase<'a>(&'a str);

impl Place for InDatabase<'_> {
    type Store = PostgresStore;

    async fn open(&self) -> Result<Arc<PostgresStore>, Failure> {
        store(self.0, SCHEMA).await
    }

    async fn close(&self, _: &PostgresStore) {}

    fn rows() -> &'static [usize] {
        &[1, 64]
    }

    fn read(
        &self,
        runtime: &Runtime,
        ids: &[RequestId],
        by_a_statement: usize,
    ) -> Result<Duration, Failure> {
        runtime.block_on(async {
            let share = ids.len().div_ceil(RETURNING).max(1);
            let mut readers = JoinSet::new();
            let mut connections = Vec::new();
            for _ in 0..RETURNING {
                connections.push(beside(self.0, SCHEMA).await?);
            }
            let start = Instant::now();
            for (ids, mut connection) in ids.chunks(share).zip(connections) {
                let ids: Vec<_> = ids.iter().map(|id| id.to_bytes().to_vec()).collect();
                readers.spawn(async move {
                    for ids in ids.chunks(by_a_statement) {
                        let statement = match ids {
                            [id] => {
                                sqlx::query("SELECT record FROM requests WHERE id = $1").bind(id)
                            }
                            ids => sqlx::query("SELECT record FROM requests WHERE id = ANY($1)")
                                .bind(ids),
                        };
                        let rows = statement.fetch_all(&mut connection).await?;
                        if rows.len() != ids.len() {
                            return Err("a row is missing".into());
                        }
                        for row in rows {
                            let record: Record =
                                encoding::decode("a record", row.try_get("record")?)?;
                            std::hint::black_box(record);
                        }
                    }
                    Ok::<_, Failure>(())
                });
            }
            while let Some(read) = readers.join_next().await {
                read??;
            }
            Ok(start.elapsed())
        })
    }
}

pub(crate) fn returning(runtime: &Runtime, url: &str, effort: Effort) -> Result<Table, Failure> {
    returning::returning(runtime, &InDatabase(url), effort)
}
