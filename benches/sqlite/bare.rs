//! The floor: a file with as few tables as will do, and commits of what has to be written.

use std::path::Path;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use rusqlite::Connection;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

const TABLES: &str = "
CREATE TABLE bare (a INTEGER PRIMARY KEY, b BLOB NOT NULL);
CREATE TABLE trail (a INTEGER PRIMARY KEY, b BLOB NOT NULL)";

/// A small row.
const ROW: [u8; 200] = [7; 200];

/// What one commit of a cycle has to write, whatever else it writes.
#[derive(Debug, Clone)]
pub(crate) struct Bytes {
    /// Of the record, which is new or replaces what it was.
    pub(crate) record: usize,
    pub(crate) new: bool,
    /// Of each event.
    pub(crate) events: Vec<usize>,
}

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
        sqlx::raw_sql(TABLES).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Of one small row each.
    pub(crate) async fn small(&mut self, count: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            sqlx::query("BEGIN IMMEDIATE; INSERT INTO bare (b) VALUES (?); COMMIT")
                .bind(ROW.as_slice())
                .execute(&mut self.0)
                .await?;
        }
        Ok(start.elapsed())
    }

    /// Of so many cycles, with the bytes that each of their commits has to write.
    pub(crate) async fn cycles(
        &mut self,
        count: usize,
        commits: &[Bytes],
    ) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            for commit in commits {
                let record = vec![b'7'; commit.record];
                let write = if commit.new {
                    "INSERT INTO bare (b) VALUES (?)"
                } else {
                    "UPDATE bare SET b = ? WHERE a = (SELECT max(a) FROM bare)"
                };
                let sql = match commit.events.len() {
                    1 => format!(
                        "BEGIN IMMEDIATE; {write}; INSERT INTO trail (b) VALUES (?); COMMIT"
                    ),
                    _ => format!(
                        "BEGIN IMMEDIATE; {write}; INSERT INTO trail (b) VALUES (?), (?); COMMIT"
                    ),
                };
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(record);
                for event in &commit.events {
                    query = query.bind(vec![b'7'; *event]);
                }
                query.execute(&mut self.0).await?;
            }
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
        connection.execute_batch(TABLES)?;
        Ok(Self(connection))
    }

    /// Of one small row each.
    pub(crate) fn small(&self, count: usize) -> Result<Duration, Failure> {
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
