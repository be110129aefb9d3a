//! The tables, made and changed under an advisory lock.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::builder::ConnectError;

/// One change of the tables.
struct Migration {
    /// Grows by one.
    version: i32,
    /// The oldest version of the tables whose code can still work with them after this one: the
    /// processes of a rolling upgrade do not change all at once.
    oldest: i32,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        oldest: 1,
        sql: include_str!("../migrations/0001_requests.sql"),
    },
    // What version 1 writes of deliveries is completed by triggers.
    Migration {
        version: 2,
        oldest: 1,
        sql: include_str!("../migrations/0002_duties.sql"),
    },
    Migration {
        version: 3,
        oldest: 1,
        sql: include_str!("../migrations/0003_seals.sql"),
    },
    // Functions that nothing before it calls.
    Migration {
        version: 4,
        oldest: 1,
        sql: include_str!("../migrations/0004_at_once.sql"),
    },
    // Another function, and records that are compressed in another way.
    Migration {
        version: 5,
        oldest: 1,
        sql: include_str!("../migrations/0005_swap_in_one.sql"),
    },
];

/// What this code was written for.
const VERSION: i32 = 5;

/// Whoever makes or changes tables in this database does so alone.
const LOCK: i64 = 0x6170_7072_6d69_6772;

const STANDS: &str = "SELECT max(version) AS version, max(oldest) AS oldest FROM versions";

/// Read from the catalogue as it stands: a name may still be resolved as it was before this
/// connection waited for whoever made the tables.
const ARE_THERE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = 'versions') AS there";

/// Makes the tables, or brings them up to this version. Needs the right to make them only where
/// something is to be made.
pub(crate) async fn migrate(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), ConnectError> {
    if stands(connection, schema).await? == Some(VERSION) {
        return Ok(());
    }
    // Waiting for another process that migrates, or for an index on many rows, may take long.
    let begin = format!(
        "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK})"
    );
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
        .await?;
    let migrated = apply(connection, schema).await;
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    connection.execute(sqlx::raw_sql(end)).await?;
    migrated
}

/// The version of the tables, if there are any.
async fn stands(connection: &mut PgConnection, schema: &str) -> Result<Option<i32>, ConnectError> {
    let there: bool = sqlx::query(ARE_THERE)
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?
        .try_get("there")?;
    if !there {
        return Ok(None);
    }
    let row = sqlx::query(STANDS).fetch_one(connection).await?;
    let version: Option<i32> = row.try_get("version")?;
    let oldest: Option<i32> = row.try_get("oldest")?;
    match (version, oldest) {
        (Some(found), Some(oldest)) if oldest > VERSION => Err(ConnectError::Newer {
            found,
            known: VERSION,
        }),
        // Newer, but made so that this version can go on.
        (Some(found), _) => Ok(Some(found.min(VERSION))),
        (None, _) => Ok(None),
    }
}

async fn apply(connection: &mut PgConnection, schema: &str) -> Result<(), ConnectError> {
    // Another process may have been here meanwhile.
    let stands = stands(connection, schema).await?.unwrap_or(0);
    if stands == 0 {
        let first = format!(
            "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; \
             CREATE TABLE IF NOT EXISTS versions (version integer PRIMARY KEY, \
             oldest integer NOT NULL, since timestamptz NOT NULL DEFAULT now())"
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(first)))
            .await?;
    }
    for migration in MIGRATIONS.iter().filter(|m| m.version > stands) {
        connection.execute(sqlx::raw_sql(migration.sql)).await?;
        sqlx::query("INSERT INTO versions (version, oldest) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.oldest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
