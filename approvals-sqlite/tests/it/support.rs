//! Files for tests, and what tests do with a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::review::{Choice, Command, Record};
use approvals_core::store::{Opened, Swap, Swapped};
use approvals_core::{Clock, Event, RequestId, RequestStore, SinkId, StoreError};
use approvals_sqlite::{Builder, SqliteStore};
use approvals_testing::ManualClock;
use approvals_testing::sample::{self, Sample};
pub(crate) use approvals_testing::sample::{intended, withdraw};

/// A directory of a test's own, removed when it ends.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "approvals-sqlite-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("requests.db")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file, and stores on it that share a clock.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: Directory,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(ManualClock::new()),
            directory: Directory::new(),
        }
    }

    pub(crate) fn builder(&self) -> Builder {
        SqliteStore::builder(self.directory.file()).clock(self.clock.clone())
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        self.builder().open().await.unwrap()
    }

    pub(crate) fn sample(&self) -> Sample {
        Sample::at(self.clock.now().unwrap())
    }

    /// Opens a request that asks people.
    pub(crate) async fn ask(&self, store: &SqliteStore, sample: &Sample) -> Arc<Record> {
        match store.open(sample.opening(), vec![intended()]).await {
            Ok(Opened::Asked { record, .. }) => record,
            other => panic!("people should be asked: {other:?}"),
        }
    }

    pub(crate) fn swap(&self, record: &Record, command: &Command) -> Swap {
        sample::swap(record, command, self.clock.now().unwrap()).unwrap()
    }

    pub(crate) async fn carry(
        &self,
        store: &SqliteStore,
        id: RequestId,
        command: &Command,
    ) -> Arc<Record> {
        let record = store.read(id).await.unwrap().unwrap().record;
        let swapped = store.compare_and_swap(self.swap(&record, command)).await;
        match swapped {
            Ok(Swapped::Done { record, .. }) => record,
            other => panic!("a swap should be done: {other:?}"),
        }
    }

    pub(crate) async fn vote(
        &self,
        store: &SqliteStore,
        id: RequestId,
        choice: Choice,
    ) -> Arc<Record> {
        let record = store.read(id).await.unwrap().unwrap().record;
        let vote = sample::vote(&record, "alice", choice);
        self.carry(store, id, &vote).await
    }
}

pub(crate) async fn sink(store: &SqliteStore) -> SinkId {
    let sink = SinkId::new("observer").unwrap();
    store.register_sink(&sink).await.unwrap();
    sink
}

pub(crate) async fn events(store: &SqliteStore, sink: &SinkId) -> Vec<Event> {
    store.events(sink, 100_000).await.unwrap()
}

/// The message of an error that must be one.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    result.unwrap_err().to_string()
}

impl House {
    /// A connection past the store, as a hand with a shell has one.
    fn hand(&self) -> rusqlite::Connection {
        let hand = rusqlite::Connection::open(self.directory.file()).unwrap();
        hand.pragma_update(None, "foreign_keys", true).unwrap();
        hand
    }

    /// Changes the file past the store, or makes a database that is none of this crate's.
    pub(crate) fn edit(&self, sql: &str) {
        self.hand().execute_batch(sql).unwrap();
    }

    /// Why a statement cannot be carried out.
    pub(crate) fn refused(&self, sql: &str) -> String {
        self.hand().execute_batch(sql).unwrap_err().to_string()
    }

    pub(crate) fn look(&self, sql: &str) -> String {
        self.hand().query_row(sql, (), |row| row.get(0)).unwrap()
    }

    /// Holds the file, as another process does that writes for long.
    pub(crate) fn lock(&self) -> Lock {
        let hand = self.hand();
        hand.execute_batch("BEGIN IMMEDIATE").unwrap();
        Lock(hand)
    }
}

/// See [`House::lock`].
pub(crate) struct Lock(rusqlite::Connection);

impl Lock {
    pub(crate) fn release(self) {
        self.0.execute_batch("COMMIT").unwrap();
    }
}
