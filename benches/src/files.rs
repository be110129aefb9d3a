//! Files of the SQLite store, and many requests in them.

use std::path::{Path, PathBuf};

use approvals_core::RequestStore;
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::Sample;
use rusqlite::Connection;

use crate::Failure;

/// Where the files are: on the disk that builds are on, which a directory for temporary files need
/// not be.
///
/// # Errors
/// When it cannot be made.
pub fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("the program is nowhere")?;
    let directory = beside.join(format!("sqlite-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A store with so many requests pending, some of them overdue: one that was asked, and
/// copies of its row.
///
/// # Errors
/// When the file cannot be written.
pub async fn filled(
    directory: &Path,
    pending: usize,
    overdue: usize,
) -> Result<SqliteStore, Failure> {
    let path = directory.join(format!("{pending}.db"));
    let store = SqliteStore::open(&path).await?;
    let sample = Sample::at(store.now().await?);
    store.open(sample.opening(), Vec::new()).await?;
    store.close().await;
    let connection = Connection::open(&path)?;
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, copies, asked_at, record)
         SELECT randomblob(16), revision, schema, phase, finished, iif(i <= ?, asked_at - i, due_at + i), randomblob(32), found, randomblob(32), waiter, review_owed, action, changed_at, copies, asked_at, record
         FROM n, (SELECT * FROM requests LIMIT 1)",
        [i64::try_from(pending)?, i64::try_from(overdue)?],
    )?;
    connection.execute(
        "WITH made AS (SELECT * FROM requests WHERE rowid > 1)
         INSERT INTO entries (kind, value, part, request)
         SELECT kind, iif(kind = 4, digest, value) AS value, iif(kind = 2, due_at, part) AS part, id
         FROM made, (SELECT * FROM entries WHERE kind > 1 AND request = (SELECT id FROM requests WHERE rowid = 1)) ORDER BY 1, 2, 3, 4",
        (),
    )?;
    drop(connection);
    Ok(SqliteStore::open(&path).await?)
}
