//! Attempts: one transaction each, made again while nothing was committed.

use std::future::Future;
use std::time::Duration;

use approvals_core::digest::Digest;
use approvals_core::{RequestId, StoreError};
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, Postgres};
use tokio::time::{Instant, sleep, timeout_at};

use crate::PostgresStore;
use crate::connections::Leased;
use crate::failure::Failure;
use crate::literal::{Prepared, Values};
use crate::parameters::{Bound, Parameters};
use crate::rows;

/// How often an attempt that the server undid is made.
const ATTEMPTS: u32 = 8;

/// Locks that a transaction takes before it reads anything, always in this order: freeze, then
/// names by number, then rows. Two transactions that need the same locks can only wait for each
/// other in one direction.
///
/// They are advisory, since what they guard may not have a row yet (a key, a digest, a bucket), and
/// since a share lock on the freeze row would write to it at every start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks {
    freeze: Option<Share>,
    names: Vec<i64>,
    row: Option<RequestId>,
    forgettable: bool,
}

#[derive(Debug, Clone, Copy)]
enum Share {
    Shared,
    Alone,
}

/// What is locked where nothing has a row: numbers that nobody else is likely to use.
const FREEZE: i64 = 0x6170_7072_6672_6565;
const SINKS: i64 = 0x6170_7072_7369_6e6b;

impl Locks {
    /// Nobody freezes meanwhile.
    pub(crate) const fn nobody_freezes(mut self) -> Self {
        self.freeze = Some(Share::Shared);
        self
    }

    /// Nothing that must be unfrozen is committed meanwhile.
    pub(crate) const fn nothing_starts(mut self) -> Self {
        self.freeze = Some(Share::Alone);
        self
    }

    /// Nobody else looks at what this names. The beginning of a digest is as good as random: two
    /// names that share it wait for each other now and then.
    pub(crate) fn name(mut self, digest: &Digest) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        self.names
            .push(i64::from_be_bytes([a, b, c, d, e, f, g, h]));
        self
    }

    /// No sink comes or moves meanwhile.
    pub(crate) fn sinks(mut self) -> Self {
        self.names.push(SINKS);
        self
    }

    /// Nobody else changes this request.
    pub(crate) const fn row(mut self, request: RequestId) -> Self {
        self.row = Some(request);
        self
    }

    /// A crash of the server within the next moments may undo it: for what is said again, such as
    /// that a gate lives. Nobody waits for the disk then.
    pub(crate) const fn forgettable(mut self) -> Self {
        self.forgettable = true;
        self
    }

    /// For a statement that takes its locks itself, and the row's by the request that it is given.
    pub(crate) fn bound(&self, values: Bound) -> Bound {
        let share = matches!(self.freeze, Some(Share::Shared)).then_some(FREEZE);
        values
            .number(share)
            .all_numbers(self.names_in_order().into_iter().map(Some))
    }

    fn names_in_order(&self) -> Vec<i64> {
        let mut names = self.names.clone();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// All of it goes to the server at once.
    fn begin(&self) -> String {
        let mut sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE".to_owned();
        let mut statement = |text: &str| {
            sql.push_str("; ");
            sql.push_str(text);
        };
        if self.forgettable {
            statement("SET LOCAL synchronous_commit = off");
        }
        let number = |number| Values::default().number(number);
        match self.freeze {
            None => {}
            Some(Share::Shared) => statement(&SHARE.execute(&number(FREEZE))),
            Some(Share::Alone) => statement(&LOCK.execute(&number(FREEZE))),
        }
        for name in self.names_in_order() {
            statement(&LOCK.execute(&number(name)));
        }
        if let Some(row) = self.row {
            let row = Values::default().bytes(Some(&row.to_bytes()));
            statement(&LOCK_ROW.execute(&row));
        }
        sql
    }
}

const LOCK: Prepared = Prepared {
    name: "approvals_lock",
    types: "bigint",
    sql: "SELECT pg_advisory_xact_lock($1)",
};

const SHARE: Prepared = Prepared {
    name: "approvals_share",
    types: "bigint",
    sql: "SELECT pg_advisory_xact_lock_shared($1)",
};

const LOCK_ROW: Prepared = Prepared {
    name: "approvals_lock_row",
    types: "bytea",
    sql: "SELECT FROM requests WHERE id = $1 FOR NO KEY UPDATE",
};

/// What every connection keeps prepared.
pub(crate) const PREPARED: [&Prepared; 11] = [
    &LOCK,
    &SHARE,
    &LOCK_ROW,
    &rows::REPLACE,
    &rows::INSERT,
    &rows::APPEND,
    &crate::swap::JUDGED_BY,
    &crate::open::STANDING,
    &crate::trail::NUMBERED,
    &crate::trail::ACKNOWLEDGE,
    &crate::operate::FREEZE,
];

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// To be committed.
    Commit(T),
    /// Nothing is to be done; this is the answer.
    RollBack(T),
}

impl PostgresStore {
    /// Does the work inside one transaction that holds its locks, and commits.
    pub(crate) async fn transaction<W: Work>(
        &self,
        locks: &Locks,
        work: &W,
    ) -> Result<W::Done, StoreError> {
        self.attempts(locks, &StepByStep(work)).await
    }

    /// Makes attempts at a transaction.
    ///
    /// What the server undid (a deadlock, a serialisation failure) is attempted again, and so is
    /// what did not reach it because the connection was gone. Once `COMMIT` was sent and no answer
    /// came, nobody knows, and the error says so.
    pub(crate) async fn attempts<A: Attempt>(
        &self,
        locks: &Locks,
        attempt: &A,
    ) -> Result<A::Done, StoreError> {
        let deadline = Instant::now() + self.answer_within;
        let begin = locks.begin();
        let mut made = 0;
        let mut reconnected = false;
        loop {
            let mut leased = self.connections.lease(deadline).await?;
            let came = attempt.make(self, leased.connection(), &begin, deadline);
            match came.await {
                Ok(Came::Committed(done)) => {
                    leased.give_back();
                    return Ok(done);
                }
                Ok(Came::Undo(answer)) => {
                    roll_back(deadline, leased).await;
                    return Ok(answer);
                }
                Err(Failure::Lost(why)) => {
                    // Nothing was committed. Where a connection stood idle the server may have been
                    // restarted since, and then all of them are gone.
                    self.connections.give_up_idle();
                    if !leased.reused || reconnected {
                        return Err(StoreError::Unreachable(why));
                    }
                    reconnected = true;
                }
                Err(failure @ Failure::Unknown(_)) => {
                    self.connections.give_up_idle();
                    return Err(failure.into());
                }
                // The server answered, to a `COMMIT` too: nothing was done.
                Err(Failure::Undone(why)) => {
                    roll_back(deadline, leased).await;
                    made += 1;
                    if made >= ATTEMPTS || Instant::now() >= deadline {
                        return Err(StoreError::Unreachable(why));
                    }
                    tracing::debug!(%why, made, "undone by the server; trying again");
                    sleep(Duration::from_millis(1 << made.min(6))).await;
                }
                Err(failure @ Failure::Final(_)) => {
                    roll_back(deadline, leased).await;
                    return Err(failure.into());
                }
            }
        }
    }

    /// The rows of one statement outside a transaction, which changes nothing. Where its connection
    /// was gone it is made again.
    pub(crate) async fn rows<'q>(
        &self,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.timed_rows(|| Ok(((), statement())))
            .await
            .map(|(rows, ())| rows)
    }

    /// Like [`rows`](Self::rows), where the statement is made from something that is taken just
    /// before it is sent.
    pub(crate) async fn timed_rows<'q, A>(
        &self,
        statement: impl Fn() -> Result<(A, Statement<'q>), Failure>,
    ) -> Result<(Vec<PgRow>, A), StoreError> {
        let deadline = Instant::now() + self.answer_within;
        let mut reconnected = false;
        loop {
            let mut leased = self.connections.lease(deadline).await?;
            let (asked, statement) = statement()?;
            let rows = within(deadline, async {
                Ok(statement.fetch_all(leased.connection()).await?)
            });
            match rows.await {
                Ok(rows) => {
                    leased.give_back();
                    return Ok((rows, asked));
                }
                Err(Failure::Lost(_)) if leased.reused && !reconnected => {
                    self.connections.give_up_idle();
                    reconnected = true;
                }
                // The connection is closed: it is not known how far it came.
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

/// A statement with its parameters.
pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// What is done in one transaction, possibly several times until it is committed once.
#[async_trait]
pub(crate) trait Work: Send + Sync {
    /// What comes of it.
    type Done: Send;

    /// Does it, after the locks were taken.
    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<Self::Done>, Failure>;
}

/// One attempt, from `BEGIN` to the end of the transaction.
#[async_trait]
pub(crate) trait Attempt: Send + Sync {
    /// What comes of it.
    type Done: Send;

    /// Makes it. [`Failure::Lost`] says that nothing was committed.
    async fn make(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
        begin: &str,
        deadline: Instant,
    ) -> Result<Came<Self::Done>, Failure>;
}

/// What an attempt at a transaction came to.
#[derive(Debug)]
pub(crate) enum Came<T> {
    /// It is committed.
    Committed(T),
    /// It is to be rolled back; this is the answer.
    Undo(T),
}

/// Locks, statement after statement, and `COMMIT`.
struct StepByStep<'a, W>(&'a W);

#[async_trait]
impl<W: Work> Attempt for StepByStep<'_, W> {
    type Done = W::Done;

    async fn make(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
        begin: &str,
        deadline: Instant,
    ) -> Result<Came<W::Done>, Failure> {
        let ended = within(deadline, async {
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
                .await?;
            self.0.attempt(store, connection).await
        });
        match ended.await? {
            Ended::Commit(done) => {
                let committed = within(deadline, async {
                    connection.execute(sqlx::raw_sql("COMMIT")).await?;
                    Ok(())
                });
                committed.await.map_err(Failure::of_commit)?;
                Ok(Came::Committed(done))
            }
            Ended::RollBack(answer) => Ok(Came::Undo(answer)),
        }
    }
}

/// No answer in time is a lost connection: dropping it is all that can be done.
pub(crate) async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, work).await {
        Ok(done) => done,
        Err(_) => Err(Failure::Lost(
            "PostgreSQL did not answer in time".to_owned(),
        )),
    }
}

/// A connection that cannot even roll back is closed, which rolls back.
async fn roll_back(deadline: Instant, mut leased: Leased) {
    let rolled_back = within(deadline, async {
        let connection = leased.connection();
        connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        Ok(())
    });
    if rolled_back.await.is_ok() {
        leased.give_back();
    }
}
