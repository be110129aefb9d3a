//! Copies of checkpoints: what was seen of a log, kept where its writer cannot change it.

use std::fmt;
use std::path::{Path, PathBuf};

use approvals_core::async_trait;

use crate::log::{LogError, read_note, write_note};

/// Keeps the last checkpoint of a log: another disk, another account, a bucket that forgets
/// nothing. What it has, the log must still begin with, and [`Publisher`](crate::Publisher) sees to
/// that before it hands over the next one.
#[async_trait]
pub trait CheckpointSink: fmt::Debug + Send + Sync {
    /// The checkpoint that was kept last, as it is signed.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn last(&self) -> Result<Option<Vec<u8>>, LogError>;

    /// Keeps a checkpoint, in place of the last one or beside it.
    ///
    /// # Errors
    /// When it may not be there after a crash.
    async fn keep(&self, note: &[u8]) -> Result<(), LogError>;
}

/// Keeps the last checkpoint in a file.
#[derive(Debug, Clone)]
pub struct CheckpointFile(PathBuf);

impl CheckpointFile {
    /// In this file, whose directory is there.
    #[must_use]
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().to_owned())
    }
}

#[async_trait]
impl CheckpointSink for CheckpointFile {
    async fn last(&self) -> Result<Option<Vec<u8>>, LogError> {
        read_note(&self.0)
    }

    async fn keep(&self, note: &[u8]) -> Result<(), LogError> {
        write_note(&self.0, note)
    }
}
