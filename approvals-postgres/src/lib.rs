//! A durable [`RequestStore`](approvals_core::RequestStore) on PostgreSQL, shared by the processes
//! and machines that work on the same requests.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use approvals_core::{Directory, Requirement};
//! # use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
//! # let channel = InMemoryApprover::new();
//! # let directory: Arc<dyn Directory> = Arc::new(InMemoryDirectory::new());
//! # let key = approvals_core::RedactionKey::random()?;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use approvals_core::Gate;
//! use approvals_postgres::PostgresStore;
//!
//! let store = PostgresStore::builder("postgres://approvals@db.internal/production")
//!     .max_connections(20)
//!     .answer_within(Duration::from_secs(5))
//!     .connect()
//!     .await?;
//! let gate = Gate::builder(Arc::new(store), directory)
//!     .policy("prod-db", Requirement::one_of("senior-engineers")?)
//!     // Every process on the same tables has the same key.
//!     .redaction_key(key)
//!     .approver("slack", channel.connect())
//!     .build()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **One commit.** Every method is one transaction: a record, its deliveries and its audit
//!   events are there together or not at all. What decides is read after the locks were taken, and
//!   judged by the pure functions of `approvals_core::review`.
//! - **One clock.** The store's time is PostgreSQL's, read after the locks, and never less than what
//!   anything was committed at. A clock that jumped is
//!   [`StoreError::Clock`](approvals_core::StoreError::Clock).
//! - **No guess.** When a connection is lost while `COMMIT` is under way, the error says that it may
//!   have been done; reading tells. Deadlocks and lost idle connections are tried again inside, where
//!   nothing was committed.
//! - **Hints.** Decisions are told with `NOTIFY`. Only those: every `NOTIFY` takes a lock on the
//!   whole cluster while it commits. Hints that get lost do no harm, since gates look again.
//!
//! # What is needed
//!
//! PostgreSQL 13 or later with a database in UTF8, and a role that may create a schema (only the
//! first time, and when a new version changes the tables: a role that may do less needs to be granted
//! the new ones then). Processes of the version before go on meanwhile. A server that is reached over
//! a network is verified (`sslmode=verify-full`, with the certificates of the system or
//! `sslrootcert`) unless the URL says otherwise. Connections are used for transactions, advisory
//! locks of a transaction, prepared statements and `LISTEN`: put no pooler between that hands out a
//! session per transaction.
//!
//! What was committed outlives a crash of the server. It outlives the loss of the server only with
//! a synchronous standby (`synchronous_standby_names`): without one a failover may lose the last
//! decisions, and a body may have started that the new primary knows nothing of.

mod archive;
mod at_once;
mod builder;
mod clock;
mod connections;
mod copies;
mod duties;
mod exchange;
mod failure;
mod listen;
mod literal;
mod migrations;
mod open;
mod open_at_once;
mod operate;
mod parameters;
#[cfg(test)]
mod plans;
mod read;
mod rows;
mod seals;
mod store;
mod swap;
mod together;
mod trail;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::OwnerId;
use approvals_core::store::Hints;

pub use builder::{ConnectError, PostgresStoreBuilder};

use clock::StoreTime;
use connections::Connections;
use listen::Listener;
use read::Returning;
use rows::Hint;

/// Keeps requests in PostgreSQL. See the [crate's documentation](crate).
pub struct PostgresStore {
    connections: Arc<Connections>,
    time: StoreTime,
    answer_within: Duration,
    hints: Arc<Hints>,
    comes_back: Returning,
    /// Tells our own notifications from those of others.
    sender: OwnerId,
    channel: String,
    _listener: Listener,
}

impl PostgresStore {
    /// Connects with the usual settings: `postgres://user:password@host/database`.
    ///
    /// # Errors
    /// [`ConnectError`] says what to change.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// Settings, to be [connected](PostgresStoreBuilder::connect).
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url)
    }

    fn hint(&self) -> Hint<'_> {
        Hint {
            channel: &self.channel,
            sender: self.sender,
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.connections)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
