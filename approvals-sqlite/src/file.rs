//! Opening the file: what it is, its tables, and how connections to it behave.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

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

/// How many statements a connection keeps prepared: more than there are.
const PREPARED: usize = 128;

/// Connects to the file.
pub(crate) fn connect(file: &File, usage: Use) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = match usage {
        Use::Write => flags | OpenFlags::SQLITE_OPEN_CREATE,
        Use::Read => flags,
    };
    let connection = Connection::open_with_flags(&file.path, flags)?;
    connection.busy_timeout(file.patience)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.execute_batch(match usage {
        // An acknowledged commit survives a power cut. What a burst left of the log is given back.
        Use::Write => {
            "PRAGMA page_size = 4096; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA journal_size_limit = 67108864"
        }
        Use::Read => "PRAGMA query_only = ON",
    })?;
    Ok(connection)
}

/// Connects for writing, after making sure of what the file is and making its tables.
pub(crate) fn open(file: &File) -> Result<Connection, OpenError> {
    let path = file.path.as_path();
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let mut connection = connect(file, Use::Write).map_err(failed)?;
    // Before anything is written: it may be the file of another program.
    let version = version(&connection, path)?;
    write_ahead(&connection, path, file.patience)?;
    migrate(&mut connection, path, version)?;
    if let Some(largest) = file.largest {
        let pages = i64::try_from((largest / PAGE).max(1)).unwrap_or(i64::MAX);
        connection
            .pragma_update(None, "max_page_count", pages)
            .map_err(failed)?;
    }
    Ok(connection)
}

/// Which of the migrations the file has.
fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let (application, version, tables) = connection
        .query_row(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
            (),
            |row| <(i64, i64, i64)>::try_from(row),
        )
        .map_err(|error| OpenError::of(path, &error))?;
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
fn write_ahead(connection: &Connection, path: &Path, patience: Duration) -> Result<(), OpenError> {
    let since = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0));
        match mode {
            Ok::<String, _>(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(OpenError::Failed {
                    path: path.to_owned(),
                    why: format!(
                        "it cannot have a write-ahead log (its journal mode is {mode}): put it on a local disk"
                    ),
                });
            }
            Err(error) if kind(&error) == Kind::Locked && since.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(OpenError::of(path, &error)),
        }
    }
}

/// Brings the tables up to this version, in one transaction.
fn migrate(connection: &mut Connection, path: &Path, found: i64) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Also where there is nothing to do: a file that cannot be written is told now.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    if found < known {
        // Another process may have been first.
        let found = version(&transaction, path)?;
        let done = usize::try_from(found).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(failed)?;
        }
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", known)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
