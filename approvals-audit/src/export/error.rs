//! Why an export ended early.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::LogError;

/// An export ended early. Whatever was delivered is noted; the rest is still in the log.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read, or is not what was signed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file of the export could not be read or written.
    #[error("{doing} {}: {error}", path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process exports with this cursor.
    #[error("another export goes on with the cursor {}: give each a file of its own", .0.display())]
    InUse(PathBuf),
    /// The file is not a cursor of this export.
    #[error("the cursor {} cannot be used: {why}; name another file, or remove it to export everything again", path.display())]
    Cursor {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The log does not begin as the one that was exported so far.
    #[error(
        "the log does not begin with the {size} entries that were exported from: it was cut off, set back or replaced. Verify it before anything else"
    )]
    OtherLog {
        /// How many entries it had.
        size: u64,
    },
    /// The receiver did not take events.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The receiver refuses more than single events.
    #[error(
        "the receiver refused more than {most} events for good ({why}): mend it, or the export's setup, and run it again"
    )]
    TooManyRefused {
        /// How many may be.
        most: u64,
        /// What it said of the last ones.
        why: String,
    },
    /// There is no file for what the receiver refuses for good.
    #[error(
        "the receiver refused event {index} for good ({why}): name a dead-letter file to go on without it"
    )]
    Refused {
        /// The entry's place.
        index: u64,
        /// What the receiver said.
        why: String,
    },
    /// The program is shutting down, or failed.
    #[error("the export was interrupted: {0}")]
    Interrupted(String),
}

impl ExportError {
    pub(super) fn disk(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Disk {
            doing,
            path: path.to_owned(),
            error,
        }
    }
}

/// A receiver did not take events. They are delivered by a later run.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Trying again was of no use, for as long as it was tried.
    #[error(
        "the receiver cannot be reached, or does not answer as it should ({attempts} attempts): {why}"
    )]
    Unreachable {
        /// How often it was tried.
        attempts: u32,
        /// What was noticed last.
        why: String,
    },
    /// Trying again will not help until somebody changes something.
    #[error("the receiver does not take what is sent to it: {0}")]
    Misconfigured(String),
    /// A file or a pipe cannot be written.
    #[error("{what} cannot be written: {error}")]
    Disk {
        /// Which.
        what: String,
        /// What the system says.
        error: io::Error,
    },
}
