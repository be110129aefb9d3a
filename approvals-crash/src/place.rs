//! Where the requests of a run live.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::RequestStore;
use approvals_postgres::PostgresStore;
use approvals_sqlite::SqliteStore;
use approvals_testing::postgres::{PrivateServer, StartError};

use crate::Failure;

/// Which store is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `approvals-sqlite`, in one file that all processes share.
    Sqlite,
    /// `approvals-postgres`, on a private server that is killed as well.
    Postgres,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            other => Err(format!(
                "`{other}` is no backend: write `sqlite` or `postgres`"
            )),
        }
    }
}

/// A store to be opened, by any process.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) backend: Backend,
    /// A URL, or a path.
    pub(crate) at: String,
}

impl Place {
    /// Opens the store.
    pub(crate) async fn open(&self, answers: Duration) -> Result<Arc<dyn RequestStore>, Failure> {
        Ok(match self.backend {
            Backend::Sqlite => Arc::new(SqliteStore::open(&self.at).await?),
            Backend::Postgres => Arc::new(
                PostgresStore::builder(&self.at)
                    .max_connections(4)
                    .answer_within(answers)
                    .connect()
                    .await?,
            ),
        })
    }

    /// Opens the store, as often as it takes while the server is down.
    pub(crate) async fn open_within(
        &self,
        patience: Duration,
    ) -> Result<Arc<dyn RequestStore>, Failure> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            // Well below a lease would be right; a crashed server takes longer to start.
            match self.open(Duration::from_secs(2)).await {
                Ok(store) => return Ok(store),
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// What keeps the store while a run lasts.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) place: Place,
    pub(crate) server: Option<PrivateServer>,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// There is no server to be had.
    #[error("`initdb` and `postgres` are not installed")]
    NotInstalled,
    /// Something else.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Ground {
    /// A new, empty store; `directory` is the run's.
    pub(crate) fn new(backend: Backend, directory: &Path) -> Result<Self, NotStarted> {
        match backend {
            Backend::Sqlite => {
                let path = directory.join("requests.db");
                let at = path.into_os_string().into_string();
                let at = at.map_err(|path| Failure::from(format!("{path:?} is not in UTF-8")))?;
                Ok(Self {
                    place: Place { backend, at },
                    server: None,
                })
            }
            Backend::Postgres => {
                let server = PrivateServer::start().map_err(|error| match error {
                    StartError::NotInstalled => NotStarted::NotInstalled,
                    StartError::Failed(error) => NotStarted::Failed(error.into()),
                })?;
                let at = server.url("postgres");
                Ok(Self {
                    place: Place { backend, at },
                    server: Some(server),
                })
            }
        }
    }
}
