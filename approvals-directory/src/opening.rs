//! How a directory is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{Clock, SystemClock};

use crate::directory::{FileDirectory, Inner};
use crate::mistake::LoadError;
use crate::snapshot::Files;

/// How long a one-time code is good, where nothing else is said.
const CODE_VALID_FOR: Duration = Duration::from_secs(10 * 60);
/// And how long it can be at most.
const CODE_VALID_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// How a [`FileDirectory`] is opened. Made by [`FileDirectory::at`].
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `open`"]
pub struct Opening {
    pub(crate) files: Files,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) code_valid_for: Duration,
    pub(crate) stale_for_at_most: Option<Duration>,
}

impl Opening {
    pub(crate) fn of(people: PathBuf) -> Self {
        let links = people.with_file_name("links.toml");
        Self {
            files: Files { people, links },
            clock: Arc::new(SystemClock::new()),
            code_valid_for: CODE_VALID_FOR,
            stale_for_at_most: None,
        }
    }

    /// Where links are kept: by default `links.toml` beside the people file. The program writes
    /// this file, and one with `.lock` at the end of its name beside it.
    pub fn links(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.links = path.into();
        self
    }

    /// Whose time it is: by default the host's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long a one-time code is good: by default ten minutes, at most a day.
    pub fn code_valid_for(mut self, span: Duration) -> Self {
        self.code_valid_for = span.min(CODE_VALID_AT_MOST);
        self
    }

    /// For how long people are answered from a version that is not that of the files any more
    /// because the new one is broken: by default until it is repaired. Past it every answer is an
    /// error, and calls that need people are refused.
    pub fn stale_for_at_most(mut self, span: Duration) -> Self {
        self.stale_for_at_most = Some(span);
        self
    }

    /// Reads and checks the files.
    ///
    /// # Errors
    /// [`LoadError`] with everything that is wrong, by file and line.
    pub fn open(self) -> Result<FileDirectory, LoadError> {
        Inner::open(self).map(|inner| FileDirectory(Arc::new(inner)))
    }
}
