//! How a store is connected.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{Clock, OwnerId, StoreError};
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::StoreTime;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::listen::Listener;
use crate::migrations::migrate;
use crate::read::Returning;
use crate::transaction::PREPARED;

/// Why a store could not be connected. No gate is built on it then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of PostgreSQL.
    #[error(
        "the URL cannot be used: {0}: write `postgres://user@host/database?sslmode=verify-full`"
    )]
    Url(String),
    /// A setting of the builder cannot be used.
    #[error("`{setting}` {why}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// What is wrong with it, and what to write.
        why: &'static str,
    },
    /// The server cannot be reached, or refuses.
    #[error("PostgreSQL cannot be used: {0}")]
    Unreachable(String),
    /// The tables could not be made, or are not what they should be.
    #[error("the tables cannot be used: {0}")]
    Tables(String),
    /// A newer version of this crate has changed the tables in a way that this one cannot follow.
    #[error("the tables are of version {found} and this crate knows {known}: upgrade this process")]
    Newer {
        /// The version of the tables.
        found: i32,
        /// The version that this crate was written for.
        known: i32,
    },
    /// The server's settings would lose what is committed, or what is written.
    #[error("the server cannot hold approvals: {0}")]
    Server(&'static str),
}

impl From<sqlx::Error> for ConnectError {
    fn from(error: sqlx::Error) -> Self {
        match StoreError::from(Failure::of(error)) {
            StoreError::Invalid(why) => Self::Tables(why),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Settings of a [`PostgresStore`]. Made by [`PostgresStore::builder`].
#[derive(Clone)]
#[must_use = "call `connect`"]
pub struct PostgresStoreBuilder {
    options: Result<PgConnectOptions, String>,
    /// Whether the URL says how TLS is used.
    tls_said: bool,
    schema: String,
    max_connections: usize,
    answer_within: Duration,
    clock: Option<Arc<dyn Clock>>,
}

impl fmt::Debug for PostgresStoreBuilder {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options.as_ref().ok();
        f.debug_struct("PostgresStoreBuilder")
            .field("host", &options.map(PgConnectOptions::get_host))
            .field(
                "database",
                &options.and_then(PgConnectOptions::get_database),
            )
            .field("schema", &self.schema)
            .field("max_connections", &self.max_connections)
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}

impl PostgresStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let tls_said = ["sslmode=", "ssl-mode="]
            .iter()
            .any(|key| url.contains(key))
            || std::env::var_os("PGSSLMODE").is_some();
        let is_ours = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let options = if is_ours {
            PgConnectOptions::from_str(url).map_err(|e| e.to_string())
        } else {
            Err("it does not begin with `postgres://`".to_owned())
        };
        Self {
            options,
            tls_said,
            schema: "approvals".to_owned(),
            max_connections: 10,
            answer_within: Duration::from_secs(10),
            clock: None,
        }
    }

    /// The schema that holds the tables, made when it is not there; `approvals` when not said.
    /// Lower-case ASCII letters, digits and `_`, at most 40. Stores of two schemas know nothing of
    /// each other.
    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// How many connections there are at most, beside the one that listens; 10 when not said.
    pub const fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// How long any method may take, connecting again included; 10 s when not said. Past it the
    /// answer is [`StoreError::Unreachable`].
    ///
    /// The server is told to give up on a statement after the same time, and on a lock after half
    /// of it. Should be well below the gate's lease, so that whoever is cut off knows it before
    /// what it holds runs out.
    pub const fn answer_within(mut self, span: Duration) -> Self {
        self.answer_within = span;
        self
    }

    /// Takes the time from this clock instead of the server's: for tests. Every process on the
    /// same tables must have the same clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Connects, makes the tables or brings them up to date, and begins to listen.
    ///
    /// While the server starts or refuses, it is tried again until
    /// [`answer_within`](Self::answer_within) has passed.
    ///
    /// # Errors
    /// [`ConnectError`] says what to change.
    pub async fn connect(self) -> Result<PostgresStore, ConnectError> {
        let mut options = self.checked_options()?;
        let deadline = Instant::now() + self.answer_within;
        let first = Arc::new(Connections::new(options.clone(), 1));
        let mut leased = first
            .lease(deadline)
            .await
            .map_err(|failure| ConnectError::Unreachable(StoreError::from(failure).to_string()))?;
        if !commits_are_flushed(leased.connection()).await? {
            // A role or database may say otherwise; a commit that a crash undoes is none.
            options = options.options([("synchronous_commit", "on")]);
        }
        migrate(leased.connection(), &self.schema).await?;
        drop(leased);
        let hints = Arc::default();
        let sender = OwnerId::new();
        let channel = format!("approvals_{}", self.schema);
        let listener =
            Listener::start(options.clone(), channel.clone(), sender, Arc::clone(&hints)).await?;
        Ok(PostgresStore {
            connections: Arc::new(
                Connections::new(options, self.max_connections).prepare(&PREPARED),
            ),
            time: StoreTime::new(self.clock),
            answer_within: self.answer_within,
            hints,
            comes_back: Returning::default(),
            sender,
            channel,
            _listener: listener,
        })
    }

    fn checked_options(&self) -> Result<PgConnectOptions, ConnectError> {
        let options = self.options.clone().map_err(ConnectError::Url)?;
        let setting = |setting, why| Err(ConnectError::Setting { setting, why });
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.schema.is_empty() || self.schema.len() > 40 || !self.schema.chars().all(plain) {
            let why = "is no name: use lower-case ASCII letters, digits and `_`, at most 40";
            return setting("schema", why);
        }
        if self.schema.starts_with("pg_") {
            return setting(
                "schema",
                "begins with `pg_`, which PostgreSQL keeps for itself",
            );
        }
        if self.max_connections == 0 {
            return setting("max_connections", "is 0: allow at least 1");
        }
        if self.answer_within < Duration::from_millis(100) {
            return setting(
                "answer_within",
                "is less than 100 ms, in which nothing is answered",
            );
        }
        let millis = self.answer_within.as_millis();
        let options = options.options([
            // Objects of other schemas are never found in place of ours.
            ("search_path", format!("{},pg_temp", self.schema)),
            // Every statement is short and has its indices. It is planned once for each connection,
            // also while the tables are empty and PostgreSQL would rather look at all of them.
            ("jit", "off".to_owned()),
            // Of a statement that is a transaction by itself. What a role says otherwise counts less.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("default_transaction_read_only", "off".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            ("enable_seqscan", "off".to_owned()),
            ("statement_timeout", millis.to_string()),
            ("lock_timeout", (millis / 2).to_string()),
            ("idle_in_transaction_session_timeout", millis.to_string()),
        ]);
        let options = if options.get_application_name().is_none() {
            options.application_name("approvals")
        } else {
            options
        };
        let local = options.get_socket().is_some()
            || options.get_host().starts_with('/')
            || matches!(
                options.get_host(),
                "localhost" | "127.0.0.1" | "::1" | "[::1]"
            );
        if local || self.tls_said {
            return Ok(options);
        }
        // A server on another machine is who it says it is, unless the URL says otherwise.
        Ok(options.ssl_mode(PgSslMode::VerifyFull))
    }
}

/// Looks at the server's settings. Whether a commit is durable when it returns.
async fn commits_are_flushed(connection: &mut PgConnection) -> Result<bool, ConnectError> {
    let row = sqlx::query(
        "SELECT current_setting('synchronous_commit') AS flushed, \
         current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding, \
         pg_is_in_recovery() AS standby",
    )
    .fetch_one(connection)
    .await?;
    if row.try_get::<bool, _>("standby")? {
        return Err(ConnectError::Server(
            "it is a standby, which takes no writes: connect to the primary",
        ));
    }
    if row.try_get::<&str, _>("encoding")? != "UTF8" {
        return Err(ConnectError::Server(
            "its database is not in UTF8: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`",
        ));
    }
    if row.try_get::<&str, _>("fsync")? == "off" {
        tracing::warn!(
            "PostgreSQL runs with `fsync = off`: a crash of its machine loses approvals"
        );
    }
    Ok(row.try_get::<&str, _>("flushed")? != "off")
}
