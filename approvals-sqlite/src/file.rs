//! Opening the file: what it is, its tables, and how connections to it behave.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use crate::error::{Kind, OpenError, kind};

/// The tables, in the order in which they came. Never changed: a later version adds a file.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_requests.sql")];

/// What marks a file as one of this crate's: `apRv`.
const APPLICATION: i64 = 0x6170_5276;

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

/// Which of the migrations the file has.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<i64, OpenError> {
    let failed = |error: sqlx::Error| OpenError::of(path, &error);
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let number = |place: usize| row.try_get::<i64, _>(place).map_err(failed);
    let (application, version, tables) = (number(0)?, number(1)?, number(2)?);
    let path = path.to_owned();
    let empty = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION && !empty {
        return Err(OpenError::Foreign { path });
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(OpenError::Newer {
            path,
            found: version,
            known,
        });
    }
    Ok(version)
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

/// Brings the tables up to this version, in one transaction.
async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    found: i64,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::of(path, &error);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Also where there is nothing to do: a file that cannot be written is told now.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    if found < known {
        // Another process may have been first.
        let found = version(&mut transaction, path).await?;
        let done = usize::try_from(found).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            sqlx::raw_sql(*migration)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {known}");
        sqlx::raw_sql(AssertSqlSafe(marks))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
