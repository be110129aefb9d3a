//! The tables of the index, and the file that they are in.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::IndexError;

/// What says that a file is an index: "appr" in ASCII.
const APPLICATION: i32 = 0x6170_7072;

/// The version of the tables. An index of another version is built anew.
const VERSION: i32 = 1;

/// Texts that many calls share have a number (`term`). A `call` is a request, or a call that policy
/// decided alone; its number is the place in the log of the entry that began it, so that rows are in
/// the order of time and a place is a cursor that stays.
const TABLES: &str = "
CREATE TABLE built (
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL
);
CREATE TABLE term (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);
CREATE TABLE call (
    entry INTEGER PRIMARY KEY,
    request BLOB,
    action INTEGER NOT NULL,
    requester INTEGER,
    resource INTEGER,
    environment INTEGER,
    policy INTEGER,
    policy_version INTEGER,
    risk INTEGER,
    at INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    decision INTEGER,
    took INTEGER,
    marks INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX call_request ON call (request) WHERE request IS NOT NULL;
CREATE INDEX call_action ON call (action);
CREATE INDEX call_resource ON call (resource) WHERE resource IS NOT NULL;
CREATE INDEX call_policy_version ON call (policy_version) WHERE policy_version IS NOT NULL;
CREATE INDEX call_standing ON call (standing);
CREATE INDEX call_at ON call (at);
CREATE INDEX call_marks ON call (entry) WHERE marks <> 0;
-- Every principal of a call's chain.
CREATE TABLE party (
    principal INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (principal, entry)
) WITHOUT ROWID;
-- Everybody whose vote on a request counted.
CREATE TABLE reviewed (
    person INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (person, entry)
) WITHOUT ROWID;
-- The entries of a request after the one that began it.
CREATE TABLE step (
    call INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    what INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (call, entry)
) WITHOUT ROWID;
-- Votes on one's own request.
CREATE TABLE self_approval (
    entry INTEGER PRIMARY KEY,
    call INTEGER,
    person INTEGER,
    identity INTEGER NOT NULL,
    at INTEGER NOT NULL
);
CREATE TABLE rule (
    id INTEGER PRIMARY KEY,
    fired INTEGER NOT NULL,
    last INTEGER NOT NULL
);
";

const NAMES: [&str; 8] = [
    "built",
    "term",
    "call",
    "party",
    "reviewed",
    "step",
    "self_approval",
    "rule",
];

/// Connects for writing, and makes the tables if they are not there. What another version has left
/// is removed: the log has all of it.
pub(super) fn writer(path: &Path) -> Result<Connection, IndexError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    let number = |pragma: &str| -> Result<i32, rusqlite::Error> {
        connection.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0))
    };
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 && number("application_id")? != APPLICATION {
        return Err(IndexError::Foreign(path.to_owned()));
    }
    // What a power cut may take is built again.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = FILE",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    if tables == 0 || number("user_version")? != VERSION {
        make(&connection)?;
    }
    Ok(connection)
}

/// Connects for reading.
pub(super) fn reader(path: &Path) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = -16384; PRAGMA temp_store = FILE",
    )?;
    Ok(connection)
}

/// Makes all tables anew, empty.
pub(super) fn make(connection: &Connection) -> Result<(), IndexError> {
    let dropped = NAMES
        .map(|name| format!("DROP TABLE IF EXISTS {name};"))
        .concat();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {dropped} {TABLES}
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"
    ))?;
    Ok(())
}
