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
    async fn hand(&self) -> sqlx::SqliteConnection {
        use sqlx::ConnectOptions;
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.directory.file())
            .connect()
            .await
            .unwrap()
    }

    /// Makes a database that is none of this crate's.
    pub(crate) async fn make(&self, sql: &'static str) {
        use sqlx::ConnectOptions;
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.directory.file())
            .create_if_missing(true);
        let mut hand = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut hand).await.unwrap();
        sqlx::Connection::close(hand).await.unwrap();
    }

    pub(crate) async fn edit(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.hand().await)
            .await
            .unwrap();
    }

    pub(crate) async fn edit_with(&self, sql: &'static str, value: &str) {
        sqlx::query(sql)
            .bind(value)
            .execute(&mut self.hand().await)
            .await
            .unwrap();
    }

    pub(crate) async fn look(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.hand().await)
            .await
            .unwrap()
    }

    /// Holds the file, as another process does that writes for long.
    pub(crate) async fn lock(&self) -> Lock {
        let mut hand = self.hand().await;
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut hand)
            .await
            .unwrap();
        Lock(hand)
    }
}

/// See [`House::lock`].
pub(crate) struct Lock(sqlx::SqliteConnection);

impl Lock {
    pub(crate) async fn release(mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await.unwrap();
    }
}
