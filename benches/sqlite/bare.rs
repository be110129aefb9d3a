//! The floor: a file with one table, and commits of one small row.

use std::path::Path;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use rusqlite::Connection;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

const TABLE: &str = "CREATE TABLE bare (a INTEGER PRIMARY KEY, b BLOB NOT NULL)";

/// A small row.
const ROW: [u8; 200] = [7; 200];

/// Commits that are asked for, as an async program has to: the disk is waited for on a thread of
/// its own. One message to that thread for each.
pub(crate) struct Asked(SqliteConnection);

impl Asked {
    pub(crate) async fn open(directory: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(directory.join("asked.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(TABLE).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    pub(crate) async fn commits(&mut self, count: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            sqlx::query("BEGIN IMMEDIATE; INSERT INTO bare (b) VALUES (?); COMMIT")
                .bind(ROW.as_slice())
                .execute(&mut self.0)
                .await?;
        }
        Ok(start.elapsed())
    }
}

/// Commits that block whoever wants them.
pub(crate) struct Here(Connection);

impl Here {
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(directory.join("here.db"))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(TABLE)?;
        Ok(Self(connection))
    }

    pub(crate) fn commits(&self, count: usize) -> Result<Duration, Failure> {
        let run = |sql: &str| self.0.prepare_cached(sql);
        let start = Instant::now();
        for _ in 0..count {
            run("BEGIN IMMEDIATE")?.execute(())?;
            run("INSERT INTO bare (b) VALUES (?)")?.execute([ROW.as_slice()])?;
            run("COMMIT")?.execute(())?;
        }
        Ok(start.elapsed())
    }
}
