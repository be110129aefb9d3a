//! The tables: which a file has, and how they are brought up to this version.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenError;

/// The tables, in the order in which they came. Never changed: a later version adds a file.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_requests.sql"),
    include_str!("../migrations/0002_duties.sql"),
    include_str!("../migrations/0003_seals.sql"),
    include_str!("../migrations/0004_entries.sql"),
    include_str!("../migrations/0005_head.sql"),
];

/// What marks a file as one of this crate's: `apRv`.
const APPLICATION: i64 = 0x6170_5276;

/// What this code was written for.
const VERSION: i64 = 5;

/// The oldest version that can go on beside this one. It stands in `user_version`, by which every
/// version knows whether it may touch the file: processes on one file are not restarted all at once.
const OLDEST: i64 = 5;

/// Which of the migrations the file has. Refuses a file that is not this crate's, and one of a
/// newer version that this one cannot follow.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let (application, oldest, tables, says) = connection
        .query_row(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema), (SELECT count(*) FROM sqlite_schema WHERE name = 'versions')",
            (),
            |row| <(i64, i64, i64, i64)>::try_from(row),
        )
        .map_err(failed)?;
    let path = path.to_owned();
    let empty = application == 0 && oldest == 0 && tables == 0;
    if application != APPLICATION && !empty {
        return Err(OpenError::Foreign { path });
    }
    // Version 1 did not say more than that.
    let mut version = oldest;
    if says > 0 {
        version = connection
            .query_row("SELECT max(version) FROM versions", (), |row| row.get(0))
            .map_err(failed)?;
    }
    if oldest > VERSION {
        return Err(OpenError::Newer {
            path,
            found: version.max(oldest),
            known: VERSION,
        });
    }
    Ok(version)
}

/// Brings the tables up to this version, in one transaction.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    found: i64,
) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    // Also where there is nothing to do: a file that cannot be written is told now.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    if found < VERSION {
        // Another process may have been first.
        let found = version(&transaction, path)?;
        let done = usize::try_from(found).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(failed)?;
        }
        if found < VERSION {
            transaction
                .pragma_update(None, "application_id", APPLICATION)
                .map_err(failed)?;
            transaction
                .pragma_update(None, "user_version", OLDEST)
                .map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}
