//! The bare transactions that PostgreSQL needs for a cycle, as a floor.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use crate::Failure;

/// The transactions of one cycle, with nothing judged: asked, delivered, voted, claimed and
/// started, finished. What they write is as large, and events are numbered by a counter.
#[derive(Debug)]
pub struct Bare {
    connection: PgConnection,
    record: String,
    event: String,
    asked: i64,
}

impl Bare {
    /// On a connection of its own; makes its tables.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn new(url: &str) -> Result<Self, Failure> {
        let options: PgConnectOptions = url.parse()?;
        let mut connection = options.connect().await?;
        let tables = "CREATE TABLE IF NOT EXISTS bare (id bigint PRIMARY KEY, record text); \
             CREATE TABLE IF NOT EXISTS trail (number bigint PRIMARY KEY, what text); \
             CREATE TABLE IF NOT EXISTS counter (last bigint); \
             INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT FROM counter)";
        connection.execute(sqlx::raw_sql(tables)).await?;
        Ok(Self {
            connection,
            record: text_of(2_600),
            event: text_of(300),
            asked: 0,
        })
    }

    /// One transaction: a write, and so many events.
    ///
    /// # Errors
    /// When it is not committed.
    pub async fn commit(&mut self, write: &'static str, events: i64) -> Result<(), Failure> {
        let statement = format!(
            "WITH written AS ({write}), numbered AS \
             (UPDATE counter SET last = last + $3 RETURNING last) \
             INSERT INTO trail SELECT last - n, $4 FROM numbered, generate_series(0, $3 - 1) AS n"
        );
        self.connection.execute(sqlx::raw_sql("BEGIN")).await?;
        sqlx::query(AssertSqlSafe(statement))
            .bind(self.asked)
            .bind(&self.record)
            .bind(events)
            .bind(&self.event)
            .execute(&mut self.connection)
            .await?;
        self.connection.execute(sqlx::raw_sql("COMMIT")).await?;
        Ok(())
    }

    /// The transactions of one cycle.
    ///
    /// # Errors
    /// When one of them is not committed.
    pub async fn cycle(&mut self) -> Result<(), Failure> {
        const CHANGE: &str = "UPDATE bare SET record = $2 WHERE id = $1";
        self.asked += 1;
        self.commit("INSERT INTO bare VALUES ($1, $2)", 1).await?;
        // The delivery that was noted: a row of a few hundred bytes.
        sqlx::query("UPDATE bare SET id = id WHERE id = $1")
            .bind(self.asked)
            .execute(&mut self.connection)
            .await?;
        // Voted and approved, claimed and started, finished.
        for events in [2, 2, 1] {
            self.commit(CHANGE, events).await?;
        }
        Ok(())
    }
}

/// Text that compresses about as well as a record.
fn text_of(bytes: usize) -> String {
    (0..bytes / 13)
        .map(|n| format!("\"n{n:06}\":{n:03},"))
        .collect()
}
