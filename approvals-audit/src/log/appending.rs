//! The files that are appended to: one for each bundle that is not full, made some bundles ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use super::disk::{is_file, open_to_append, sync_directory};
use super::files::OPEN;
use super::{Files, LogError};

/// For how many bundles files are made at once.
const AHEAD: u64 = 16;

impl Files {
    /// The file that a bundle's entries are appended to, made if it is not there.
    pub(super) fn append_to(&self, bundle: u64) -> Result<File, LogError> {
        if !is_file(&self.open(bundle))? {
            self.make_ahead(bundle, |bundle| self.open(bundle), OpenOptions::new)?;
        }
        open_to_append(&self.open(bundle))
    }

    /// Makes the empty files of this bundle and some that follow, which are there after a crash:
    /// the directory is flushed once for all of them.
    pub(super) fn make_ahead(
        &self,
        bundle: u64,
        path_of: impl Fn(u64) -> PathBuf,
        options: impl Fn() -> OpenOptions,
    ) -> Result<(), LogError> {
        for ahead in bundle..bundle.saturating_add(AHEAD) {
            let path = path_of(ahead);
            match options().append(true).create_new(true).open(&path) {
                // Whatever it is, it is looked at when its turn comes.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => drop(made.map_err(LogError::disk("making", &path))?),
            }
        }
        path_of(bundle).parent().map_or(Ok(()), sync_directory)
    }

    pub(super) fn sync_open(&self) -> Result<(), LogError> {
        sync_directory(&self.root().join(OPEN))
    }
}
