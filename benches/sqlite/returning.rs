//! Callers that come back to a file after a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::returning::{self, Place, RETURNING};
use approvals_benches::table::Table;
use approvals_core::store::encoding;
use approvals_core::{Record, RequestId};
use approvals_sqlite::SqliteStore;
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;

/// A file.
struct InFile(PathBuf);

impl Place for InFile {
    type Store = SqliteStore;

    async fn open(&self) -> Result<Arc<SqliteStore>, Failure> {
        Ok(Arc::new(SqliteStore::open(&self.0).await?))
    }

    async fn close(&self, store: &SqliteStore) {
        store.close().await;
    }

    fn rows() -> &'static [usize] {
        &[1]
    }

    fn read(&self, _: &Runtime, ids: &[RequestId], _: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        let share = ids.len().div_ceil(RETURNING).max(1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = ids
                .chunks(share)
                .map(|ids| scope.spawn(|| read(&self.0, ids).map_err(|error| error.to_string())))
                .collect();
            for reader in readers {
                reader.join().map_err(|_| "a reader panicked")??;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(start.elapsed())
    }
}

/// Reads the rows as a thread with a connection of its own reads them, the fastest way there is.
fn read(path: &Path, ids: &[RequestId]) -> Result<(), Failure> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection.prepare("SELECT record FROM requests WHERE id = ?")?;
    for id in ids {
        let text: String = statement.query_row([id.to_bytes()], |row| row.get(0))?;
        let record: Record = encoding::decode("a record", &text)?;
        std::hint::black_box(record);
    }
    Ok(())
}

pub(crate) fn returning(
    runtime: &Runtime,
    directory: &Path,
    effort: Effort,
) -> Result<Table, Failure> {
    returning::returning(runtime, &InFile(directory.join("returning.db")), effort)
}
