//! Transactions in two round trips: what one is judged by comes back with its locks, and what it
//! writes goes together with its `COMMIT`.

use approvals_core::StoreError;
use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::Asked;
use crate::failure::Failure;
use crate::transaction::{Attempt, Came, Locks, within};

/// What is looked up, judged and written in one transaction, possibly several times until it is
/// committed once.
pub(crate) trait Exchange: Send + Sync {
    /// What comes of it.
    type Done: Send;

    /// The statement whose row it is judged by; it is given the time's parameters.
    fn question(&self, asked: Asked) -> String;

    /// What that row leads to.
    fn judge(
        &self,
        store: &PostgresStore,
        row: &PgRow,
        asked: Asked,
    ) -> Result<Judgment<Self::Done>, Failure>;
}

/// What is to be done.
pub(crate) enum Judgment<T> {
    /// These statements are carried out and committed; what it came to is in the last one's row.
    Write(String, Outcome<T>),
    /// Nothing; this is the answer.
    Answer(T),
}

/// Reads what a committed statement came to.
pub(crate) type Outcome<T> = Box<dyn FnOnce(&PgRow) -> Result<T, Failure> + Send>;

impl PostgresStore {
    /// Like [`transaction`](Self::transaction), in two round trips.
    pub(crate) async fn exchange<E: Exchange>(
        &self,
        locks: &Locks,
        exchange: &E,
    ) -> Result<E::Done, StoreError> {
        self.attempts(locks, &TwoTrips(exchange)).await
    }
}

struct TwoTrips<'a, E>(&'a E);

#[async_trait]
impl<E: Exchange> Attempt for TwoTrips<'_, E> {
    type Done = E::Done;

    async fn make(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
        begin: &str,
        deadline: Instant,
    ) -> Result<Came<E::Done>, Failure> {
        let Self(exchange) = self;
        let (row, asked) = within(deadline, async {
            // The server reads its clock with the row, after the locks. Another one is read here,
            // so it has to be after them as well.
            let begin = if store.time.is_the_servers() {
                format!("{begin}; ")
            } else {
                connection
                    .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
                    .await?;
                String::new()
            };
            let asked = store.time.ask()?;
            let statements = begin + &exchange.question(asked);
            Ok((last_row(connection, statements).await?, asked))
        })
        .await?;
        match exchange.judge(store, &row, asked)? {
            Judgment::Answer(answer) => Ok(Came::Undo(answer)),
            Judgment::Write(statements, outcome) => {
                let written = last_row(connection, statements + "; COMMIT");
                let row = within(deadline, written)
                    .await
                    .map_err(Failure::of_commit)?;
                let done = outcome(&row).map_err(Failure::after_commit)?;
                Ok(Came::Committed(done))
            }
        }
    }
}

/// The row of the last of these statements that has one.
pub(crate) async fn last_row(
    connection: &mut PgConnection,
    statements: String,
) -> Result<PgRow, Failure> {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements));
    only_row(connection.fetch_all(statements).await?)
}

/// The row that a statement has, since the table `head` has one.
pub(crate) fn only_row(mut rows: Vec<PgRow>) -> Result<PgRow, Failure> {
    rows.pop().ok_or_else(|| {
        Failure::invalid("the table `head` is empty: restore the store from a backup")
    })
}
