//! Connections that only read: each query is a snapshot of its own.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use approvals_core::store::StoreError;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tokio::sync::Semaphore;

use crate::error::told;
use crate::file::{File, Use, options};
use crate::script::Script;

/// A few connections, made when they are needed.
#[derive(Debug)]
pub(crate) struct Readers {
    file: File,
    idle: Mutex<Vec<SqliteConnection>>,
    turns: Semaphore,
}

impl Readers {
    pub(crate) fn new(file: File, connections: usize) -> Self {
        Self {
            file,
            idle: Mutex::default(),
            turns: Semaphore::new(connections),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The rows of one statement.
    pub(crate) async fn rows(&self, script: Script) -> Result<Vec<SqliteRow>, StoreError> {
        let closed = |_| StoreError::Unreachable("the store is closed".to_owned());
        let _turn = self.turns.acquire().await.map_err(closed)?;
        // A connection whose query is dropped half way is not used again.
        let taken = self.idle().pop();
        let mut connection = match taken {
            Some(connection) => connection,
            None => options(&self.file, Use::Read)
                .connect()
                .await
                .map_err(|error| told(self.path(), &error))?,
        };
        match script.rows(&mut connection).await {
            Ok(rows) => {
                self.idle().push(connection);
                Ok(rows)
            }
            Err(error) => Err(told(self.path(), &error)),
        }
    }

    /// The only row of a statement that has one.
    pub(crate) async fn row(&self, script: Script) -> Result<SqliteRow, StoreError> {
        let rows = self.rows(script).await?;
        rows.into_iter().next().ok_or_else(|| {
            StoreError::Invalid(format!(
                "{} lacks the row that every store has: restore it from a backup",
                self.path().display()
            ))
        })
    }

    /// Closes them: whoever comes later is refused.
    pub(crate) async fn close(&self) {
        self.turns.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // What cannot be closed in order is dropped: nothing of it was to be kept.
            let _ = sqlx::Connection::close(connection).await;
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }
}
