//! A server, stores on it, and what tests do with them.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use approvals_core::review::{Command, Record};
use approvals_core::store::{Opened, Swap, Swapped};
use approvals_core::{Choice, OwnerId, RequestId, RequestStore, StoreError};
use approvals_postgres::{PostgresStore, PostgresStoreBuilder};
use approvals_testing::postgres::{PrivateServer, StartError};
use approvals_testing::sample::{self, Sample};
pub(crate) use approvals_testing::sample::{LEASE, claim, start, vote};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

/// Long enough that only what hangs for good does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says on the real standard error, which the test harness does not keep to itself, that a test is
/// not made.
fn say_skipped(why: &str) {
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: a test of PostgreSQL, since {why}"
    );
}

pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("APPROVALS_POSTGRES_REQUIRED").is_none(),
        "tests of PostgreSQL are required, but {why}"
    );
    say_skipped(why);
}

/// A server of the test's own, to be crashed.
pub(crate) fn own_server() -> Option<PrivateServer> {
    started(PrivateServer::start())
}

/// A server whose files are below this directory.
pub(crate) fn server_in(place: &Path) -> Option<PrivateServer> {
    started(PrivateServer::start_in(place))
}

fn started(server: Result<PrivateServer, StartError>) -> Option<PrivateServer> {
    match server {
        Ok(server) => Some(server),
        Err(StartError::NotInstalled) => {
            skip("`initdb` and `postgres` are not installed");
            None
        }
        Err(StartError::Failed(error)) => panic!("{error}"),
    }
}

/// The URL of the server that tests share.
pub(crate) fn url() -> Option<String> {
    static SERVER: OnceLock<Option<PrivateServer>> = OnceLock::new();
    if let Ok(url) = std::env::var("APPROVALS_POSTGRES_URL") {
        return Some(url);
    }
    let server = SERVER.get_or_init(own_server).as_ref();
    if server.is_none() {
        skip("`initdb` and `postgres` are not installed");
    }
    server.map(|server| server.url("postgres"))
}

/// A schema that no other test has.
pub(crate) fn new_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{count}", std::process::id())
}

/// Where a test works: a database of nobody else.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) schema: String,
}

impl Place {
    /// `None` where there is no server.
    pub(crate) fn new() -> Option<Self> {
        url().map(Self::at)
    }

    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            schema: new_schema(),
        }
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(&self.url)
            .schema(&self.schema)
            .max_connections(4)
    }

    pub(crate) async fn store(&self) -> Arc<PostgresStore> {
        Arc::new(self.builder().connect().await.unwrap())
    }

    /// A connection beside the store.
    pub(crate) async fn connection(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let options = options.options([("search_path", &self.schema)]);
        options.connect().await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut connection = self.connection().await;
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        connection.execute(sqlx::raw_sql(sql)).await.unwrap();
    }
}

pub(crate) async fn sample(store: &PostgresStore) -> Sample {
    Sample::at(store.now().await.unwrap())
}

pub(crate) async fn ask(store: &PostgresStore, sample: &Sample) -> Arc<Record> {
    match store.open(sample.opening(), Vec::new()).await.unwrap() {
        Opened::Asked { record, .. } => record,
        other => panic!("people should be asked: {other:?}"),
    }
}

/// The swap that a command asks for, judged now.
pub(crate) async fn swap(store: &PostgresStore, id: RequestId, command: &Command) -> Swap {
    let snapshot = store.read(id).await.unwrap().unwrap();
    sample::swap(&snapshot.record, command, snapshot.now).unwrap()
}

pub(crate) async fn carry(
    store: &PostgresStore,
    id: RequestId,
    command: &Command,
) -> Result<Swapped, StoreError> {
    store.compare_and_swap(swap(store, id, command).await).await
}

pub(crate) async fn done(store: &PostgresStore, id: RequestId, command: &Command) -> Arc<Record> {
    match carry(store, id, command).await.unwrap() {
        Swapped::Done { record, .. } => record,
        other => panic!("it should be done: {other:?}"),
    }
}

/// Asked, approved and finished.
pub(crate) async fn finished(store: &PostgresStore, sample: &Sample) -> Arc<Record> {
    let asked = ask(store, sample).await;
    let id = asked.id();
    done(store, id, &vote(&asked, "alice", Choice::Approve)).await;
    let owner = OwnerId::new();
    done(store, id, &claim(owner)).await;
    done(store, id, &start(owner, 1)).await;
    let finish = Command::Finish {
        fence: 1,
        succeeded: true,
        summary: None,
    };
    done(store, id, &finish).await
}

impl Place {
    /// Returns when a connection of a store on this schema waits for such a lock.
    pub(crate) async fn until_somebody_waits(&self, for_what: &str) {
        let mut connection = self.connection().await;
        let looking = async {
            loop {
                let waiting: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                     WHERE NOT l.granted AND l.locktype = $1 AND a.application_name = 'approvals' \
                     AND EXISTS (SELECT FROM pg_locks o JOIN pg_class c ON c.oid = o.relation \
                     JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $2 AND (o.pid = a.pid OR $1 = 'advisory'))",
                )
                .bind(for_what)
                .bind(&self.schema)
                .fetch_one(&mut connection)
                .await
                .unwrap();
                if waiting > 0 {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap();
    }
}
