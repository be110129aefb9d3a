//! Settings of a store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{Clock, SystemClock};

use crate::error::OpenError;
use crate::file::File;
use crate::store::SqliteStore;

/// Settings of a store, each with a default that is right for most.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    pub(crate) file: File,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) look_every: Duration,
    pub(crate) readers: usize,
}

impl Builder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            file: File {
                path: path.to_owned(),
                patience: Duration::from_secs(5),
                largest: None,
            },
            clock: Arc::new(SystemClock::new()),
            look_every: Duration::from_millis(50),
            readers: 4,
        }
    }

    /// Where the time comes from: by default the host's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long to wait for another process that holds the file: by default 5 seconds.
    pub fn busy_timeout(mut self, patience: Duration) -> Self {
        self.file.patience = patience;
        self
    }

    /// How often to look for what other processes changed: by default every 50 milliseconds, which
    /// costs next to nothing while they change nothing.
    pub fn look_every(mut self, every: Duration) -> Self {
        self.look_every = every;
        self
    }

    /// How many connections read at once: by default 4, at least 1.
    pub fn readers(mut self, connections: usize) -> Self {
        self.readers = connections.max(1);
        self
    }

    /// How large the file may become, in bytes: by default as large as the disk allows. Past it
    /// whatever would need more is refused as full.
    pub fn largest(mut self, bytes: u64) -> Self {
        self.file.largest = Some(bytes);
        self
    }

    /// Opens the file, which is made where it does not exist; its directory has to.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do. Nothing was changed in the file.
    pub async fn open(self) -> Result<SqliteStore, OpenError> {
        SqliteStore::start(self).await
    }
}
