//! A pool of connections. One that did not end cleanly is closed and never used again.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::{Failure, is_transient};
use crate::literal::Prepared;

/// The first wait after a connection was refused; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// The longest wait between two attempts to connect.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that was idle for so long is tried before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

/// A server that answered within so long is taken to be there.
const JUST_NOW: Duration = Duration::from_secs(1);

/// Connections to one server. Unlike a general pool it asks nothing of the server when a
/// connection is returned: only those are returned that ended what they began.
pub(crate) struct Connections {
    options: PgConnectOptions,
    /// What is sent once on each connection.
    prepares: Option<String>,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    /// Counts the times that every idle connection was given up.
    generation: AtomicU64,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// One connection, in use. Dropping it closes the connection; the server rolls back what was not
/// committed.
pub(crate) struct Leased {
    connection: PgConnection,
    /// Whether the server may have gone away since it was last used.
    pub(crate) reused: bool,
    generation: u64,
    pool: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("host", &self.options.get_host())
            .field("database", &self.options.get_database())
            .field("idle", &self.idle().len())
            .finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(options: PgConnectOptions, most: usize) -> Self {
        Self {
            options,
            prepares: None,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(most)),
            generation: AtomicU64::new(0),
        }
    }

    /// Has each connection keep these statements prepared.
    pub(crate) fn prepare(mut self, statements: &[&Prepared]) -> Self {
        self.prepares = Some(statements.iter().map(|one| one.prepare()).collect());
        self
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A connection: one that is idle, or a new one. While the server refuses, it tries again with
    /// growing waits until the deadline.
    pub(crate) async fn lease(self: &Arc<Self>, deadline: Instant) -> Result<Leased, Failure> {
        let permits = Arc::clone(&self.permits).acquire_owned();
        let permit = timeout_at(deadline, permits)
            .await
            .map_err(|_| {
                Failure::unreachable("all connections were busy: allow more with `max_connections`")
            })?
            .map_err(|_| Failure::unreachable("the store is closed"))?;
        let generation = self.generation.load(Ordering::Acquire);
        loop {
            let found = self.idle().pop();
            let Some(mut found) = found else { break };
            if found.since.elapsed() < TRUSTED_FOR
                || matches!(
                    timeout_at(deadline, found.connection.ping()).await,
                    Ok(Ok(()))
                )
            {
                return Ok(Leased {
                    connection: found.connection,
                    reused: true,
                    generation,
                    pool: Arc::clone(self),
                    _permit: permit,
                });
            }
        }
        Ok(Leased {
            connection: self.connect(deadline).await?,
            reused: false,
            generation,
            pool: Arc::clone(self),
            _permit: permit,
        })
    }

    async fn connect(&self, deadline: Instant) -> Result<PgConnection, Failure> {
        let mut wait = FIRST_WAIT;
        loop {
            let connecting = async {
                let mut connection = self.options.connect().await?;
                if let Some(statements) = &self.prepares {
                    let statements = sqlx::raw_sql(AssertSqlSafe(statements.as_str()));
                    connection.execute(statements).await?;
                }
                Ok(connection)
            };
            let error = match timeout_at(deadline, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) if is_transient(&error) => error,
                Ok(Err(error)) => return Err(Failure::of(error)),
                Err(_) => return Err(Failure::unreachable("connecting took too long")),
            };
            if Instant::now() + wait >= deadline {
                return Err(Failure::of(error));
            }
            tracing::debug!(%error, ?wait, "PostgreSQL refuses connections; trying again");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Whether the connection that is leased next answered a moment ago. Where none is idle, it is
    /// one that is given back by then, or a new one.
    pub(crate) fn was_heard_of_just_now(&self) -> bool {
        let idle = self.idle();
        idle.last()
            .is_none_or(|last| last.since.elapsed() < JUST_NOW)
    }

    /// Gives up every idle connection: the server went away, and they with it.
    pub(crate) fn give_up_idle(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle().clear();
    }
}

impl Leased {
    pub(crate) const fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Makes the connection available to others. Only when what was begun on it has ended.
    pub(crate) fn give_back(self) {
        let Self {
            connection,
            generation,
            pool,
            ..
        } = self;
        if generation == pool.generation.load(Ordering::Acquire) {
            pool.idle().push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }
}
