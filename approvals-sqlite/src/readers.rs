//! Connections that only read: each query is a snapshot of its own, and waits for no writer.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_core::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::{Kind, kind, told};
use crate::file::{File, Use, connect};
use crate::rows::Row;
use crate::script::Script;

/// A few connections, made when they are needed.
#[derive(Debug)]
pub(crate) struct Readers {
    file: File,
    idle: Arc<Idle>,
    turns: Arc<Semaphore>,
}

/// Connections that nobody uses now. They do not wait for locks.
#[derive(Debug, Default)]
struct Idle(Mutex<Vec<Connection>>);

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Readers {
    pub(crate) fn new(file: File, connections: usize) -> Self {
        Self {
            file,
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new(connections)),
        }
    }

    /// The rows of a statement that may take a while, on a thread where nobody else waits.
    pub(crate) async fn rows(&self, script: Script) -> Result<Vec<Row>, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        self.elsewhere(script, turn.map_err(|_| closed())?).await
    }

    /// The rows of a statement that looks one row up. That takes a few microseconds, and less than
    /// to wake another thread: a log that is written ahead lets nobody wait, and what is in use is
    /// in the system's memory. Whatever would have to wait goes elsewhere.
    pub(crate) async fn few(&self, script: Script) -> Result<Vec<Row>, StoreError> {
        let turn = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(TryAcquireError::Closed) => return Err(closed()),
            Err(TryAcquireError::NoPermits) => return self.rows(script).await,
        };
        let taken = self.idle.lock().pop();
        let Some(connection) = taken else {
            return self.elsewhere(script, turn).await;
        };
        match script.rows(&connection) {
            Ok(rows) => {
                self.idle.lock().push(connection);
                Ok(rows)
            }
            Err(error) if kind(&error) == Kind::Locked => self.elsewhere(script, turn).await,
            Err(error) => Err(told(self.path(), &error)),
        }
    }

    async fn elsewhere(
        &self,
        script: Script,
        turn: OwnedSemaphorePermit,
    ) -> Result<Vec<Row>, StoreError> {
        let (file, idle) = (self.file.clone(), Arc::clone(&self.idle));
        let turns = Arc::clone(&self.turns);
        let read = tokio::task::spawn_blocking(move || {
            // Whoever waited may be gone: the turn ends with the query all the same.
            let _turn = turn;
            let taken = idle.lock().pop();
            let connection = match taken {
                Some(connection) => connection,
                None => connect(&file, Use::Read)?,
            };
            connection.busy_timeout(file.patience)?;
            // A connection that failed is not used again.
            let rows = script.rows(&connection)?;
            connection.busy_timeout(Duration::ZERO)?;
            if !turns.is_closed() {
                idle.lock().push(connection);
            }
            Ok(rows)
        });
        match read.await {
            Ok(rows) => rows.map_err(|error: rusqlite::Error| told(self.path(), &error)),
            Err(error) => Err(StoreError::Unreachable(format!(
                "{} was not read to the end: {error}",
                self.path().display()
            ))),
        }
    }

    /// The only row of a statement that has one, which is looked up.
    pub(crate) async fn row(&self, script: Script) -> Result<Row, StoreError> {
        let rows = self.few(script).await?;
        rows.into_iter().next().ok_or_else(|| {
            StoreError::Invalid(format!(
                "{} lacks the row that every store has: restore it from a backup",
                self.path().display()
            ))
        })
    }

    /// Closes them: whoever comes later is refused.
    pub(crate) fn close(&self) {
        self.turns.close();
        self.idle.lock().clear();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }
}

fn closed() -> StoreError {
    StoreError::Unreachable("the store is closed".to_owned())
}
