//! Durable requests in one SQLite file: a [`RequestStore`](approvals_core::RequestStore) that
//! survives crashes and power cuts, and that several processes on one machine may share.
//!
//! ```
//! use std::sync::Arc;
//! use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
//! use approvals_core::{Gate, RedactionKey, Requirement};
//! use approvals_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("approvals-sqlite-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let path = directory.join("requests.db");
//! # let secret = vec![7; 32];
//! # let directory_of_people = Arc::new(InMemoryDirectory::new());
//! # directory_of_people.person("alice", ["senior-engineers"])?;
//! # let channel = InMemoryApprover::new();
//! let store = Arc::new(SqliteStore::open(&path).await?);
//! let gate = Gate::builder(store, directory_of_people)
//!     .policy("prod-db", Requirement::one_of("senior-engineers")?)
//!     .approver("terminal", channel.connect())
//!     // What is redacted has to be recognised after a restart: 32 bytes or more, kept with the
//!     // service's other secrets.
//!     .redaction_key(RedactionKey::new("2026-11", secret)?)
//!     .build()
//!     .await?;
//! # drop(gate);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! What was acknowledged survives the process, the system and a power cut, as far as the disk keeps
//! what it says that it keeps: the file has a write-ahead log, and every commit is synced
//! (`synchronous=FULL`). One thread writes: it takes whatever is queued, commits it at once and
//! answers after the commit, so that many concurrent requests share what one commit costs. Reads
//! have connections of their own and wait for nobody; one row is read on the thread that asks, which
//! takes microseconds where the file is in the system's memory.
//!
//! **Time** is the host's, and never less than that of the latest commit, of whatever process. Set
//! back by more than two seconds, the clock has failed ([`StoreError::Clock`]): nothing is judged
//! until it has caught up. A clock that was far ahead has to be waited for, too.
//!
//! **Several processes** may open the file. The first of a newer version brings the tables up to
//! date; processes of an older one go on beside it where that version says that they can, and are
//! refused with an error that says so where they cannot. What one changes is told
//! to waiters in another within [`Builder::look_every`]. Of their gates one at a time does each kind
//! of background work. They have to be on the same machine, on a local disk: SQLite's log needs
//! shared memory.
//!
//! **Errors** say what to do, and release nothing. After [`StoreError::Unreachable`] a change may
//! stand; after [`StoreError::Full`] and [`StoreError::Invalid`] nothing was done.
//!
//! **Backups** are made with SQLite's own means (`sqlite3 requests.db ".backup copy.db"`), or of the
//! file with `-wal` and `-shm` beside it while no process has it open.
//!
//! [`StoreError::Clock`]: approvals_core::StoreError::Clock
//! [`StoreError::Unreachable`]: approvals_core::StoreError::Unreachable
//! [`StoreError::Full`]: approvals_core::StoreError::Full
//! [`StoreError::Invalid`]: approvals_core::StoreError::Invalid

mod archive;
mod builder;
mod changing;
mod clearing;
mod clock;
mod copies;
mod decoded;
mod duties;
mod entries;
mod error;
mod file;
mod head;
mod lately;
mod listing;
mod migrations;
mod opening;
#[cfg(test)]
mod plans;
mod readers;
mod reading;
mod rows;
mod script;
mod store;
mod swapping;
mod traffic;
mod transaction;
mod watching;
mod work;
mod writer;

pub use builder::Builder;
pub use error::OpenError;
pub use store::SqliteStore;
