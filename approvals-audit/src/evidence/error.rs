//! Why a bundle cannot be made, or is not one.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::CheckpointError;
use crate::log::LogError;
use crate::proof::EntryProofError;

/// A bundle cannot be made, or is not what it says.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The log, or an event of the bundle, cannot be read or is not what was signed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The directory for a new bundle holds something.
    #[error("{} is not empty: a bundle is made in a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    /// More events than a bundle takes.
    #[error("the control has more than {0} events in this period: make bundles of shorter ones")]
    TooMany(usize),
    /// There is no such control.
    #[error("there is no control `{0}` here")]
    Control(String),
    /// The manifest is none.
    #[error("the manifest is not one of a bundle: {0}")]
    Manifest(String),
    /// The checkpoint is not signed by the key.
    #[error("the bundle's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// An event is not one of the log's.
    #[error("event {index} of the bundle: {error}")]
    Proof {
        /// The entry's place.
        index: u64,
        /// Why not.
        error: EntryProofError,
    },
    /// An event does not belong in the bundle.
    #[error("event {0} is none that this control and period have")]
    NotAsked(u64),
    /// A file does not say what the events say.
    #[error("{0} is not what the events, and what was asked for, make it")]
    Differs(String),
    /// A file is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file is no part of the bundle.
    #[error("{0} is no part of the bundle")]
    Stranger(String),
}

impl BundleError {
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Disk { path, error }
    }
}
