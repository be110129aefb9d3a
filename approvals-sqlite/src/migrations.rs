//! The tables: which a file has, and how they are brought up to this version.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::error::OpenError;

/// The tables, in the order in which they came. Never changed: a later version adds a file.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_requests.sql"),
    include_str!("../migrations/0002_duties.sql"),
];

/// What marks a file as one of this crate's: `apRv`.
const APPLICATION: i64 = 0x6170_5276;

/// What this code was written for.
const VERSION: i64 = 2;

/// The oldest version that can go on beside this one. It stands in `user_version`, by which every
/// version knows whether it may touch the file: processes on one file are not restarted all at once.
const OLDEST: i64 = 1;

/// Which of the migrations the file has. Refuses a file that is not this crate's, and one of a
/// newer version that this one cannot follow.
pub(crate) async fn version(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<i64, OpenError> {
    let failed = |error: sqlx::Error| OpenError::of(path, &error);
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema), (SELECT count(*) FROM sqlite_schema WHERE name = 'versions')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let number = |place: usize| row.try_get::<i64, _>(place).map_err(failed);
    let (application, oldest, tables) = (number(0)?, number(1)?, number(2)?);
    let path = path.to_owned();
    let empty = application == 0 && oldest == 0 && tables == 0;
    if application != APPLICATION && !empty {
        return Err(OpenError::Foreign { path });
    }
    // Version 1 did not say more than that.
    let mut version = oldest;
    if number(3)? > 0 {
        version = sqlx::query("SELECT max(version) FROM versions")
            .fetch_one(connection)
            .await
            .and_then(|row| row.try_get(0))
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
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    found: i64,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::of(path, &error);
    // Also where there is nothing to do: a file that cannot be written is told now.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    if found < VERSION {
        // Another process may have been first.
        let found = version(&mut transaction, path).await?;
        let done = usize::try_from(found).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            sqlx::raw_sql(*migration)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        if found < VERSION {
            let marks =
                format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {OLDEST}");
            sqlx::raw_sql(AssertSqlSafe(marks))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
    }
    transaction.commit().await.map_err(failed)
}
