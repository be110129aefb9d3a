//! Opening the file, and how connections to it behave.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

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
        // The log is folded into the file every 16 MB: most pages that a commit changes are changed
        // again by the next, and are written to the file once for all of them.
        Use::Write => {
            "PRAGMA page_size = 4096; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864"
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
