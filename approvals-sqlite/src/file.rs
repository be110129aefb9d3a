//! Opening the file, and how connections to it behave.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::error::{Kind, OpenError, kind};
use crate::migrations::{migrate, version};

/// The size of a page, in bytes.
const PAGE: u64 = 4096;

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Write,
    Read,
}

/// The file and how to treat it.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// How long to wait for another process.
    pub(crate) patience: Duration,
    /// How large it may become, in bytes.
    pub(crate) largest: Option<u64>,
}

/// How to connect to this file.
pub(crate) fn options(file: &File, usage: Use) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(&file.path)
        .foreign_keys(true)
        .busy_timeout(file.patience)
        // An acknowledged commit survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    match usage {
        Use::Write => options
            .create_if_missing(true)
            .page_size(4096)
            // What a burst left of the log is given back.
            .pragma("journal_size_limit", "67108864"),
        Use::Read => options.pragma("query_only", "ON"),
    }
}

/// Connects for writing, after making sure of what the file is and making its tables.
pub(crate) async fn open(file: &File) -> Result<SqliteConnection, OpenError> {
    let path = file.path.as_path();
    let failed = |error: sqlx::Error| OpenError::of(path, &error);
    let mut connection = options(file, Use::Write).connect().await.map_err(failed)?;
    // Before anything is written: it may be the file of another program.
    let version = version(&mut connection, path).await?;
    write_ahead(&mut connection, path, file.patience).await?;
    migrate(&mut connection, path, version).await?;
    if let Some(largest) = file.largest {
        let pages = format!("PRAGMA max_page_count = {}", (largest / PAGE).max(1));
        sqlx::query(AssertSqlSafe(pages))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
    }
    Ok(connection)
}

/// Switches to a write-ahead log, by which readers and a writer do not wait for each other. Several
/// processes may do so at once, and SQLite does not wait for a lock here.
async fn write_ahead(
    connection: &mut SqliteConnection,
    path: &Path,
    patience: Duration,
) -> Result<(), OpenError> {
    let since = Instant::now();
    loop {
        let row = sqlx::query("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await;
        match row.and_then(|row| row.try_get::<String, _>(0)) {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(OpenError::Failed {
                    path: path.to_owned(),
                    why: format!(
                        "it cannot have a write-ahead log (its journal mode is {mode}): put it on a local disk"
                    ),
                });
            }
            Err(error) if kind(&error) == Kind::Locked && since.elapsed() < patience => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(OpenError::of(path, &error)),
        }
    }
}
