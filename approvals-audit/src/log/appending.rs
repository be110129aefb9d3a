//! The files that are appended to: one for each bundle that is not full, made some bundles ahead. A
//! writer makes them where whoever publishes beside it has not done so in time.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::disk::{is_file, open_to_append, sync_directory};
use super::files::OPEN;
use super::{Files, LogError};

/// For how many bundles files are made at once, at least.
const AHEAD: u64 = 16;

/// And at most.
const MOST: u64 = 256;

/// For which bundles files are to be made, where so many became full since that was done before.
pub(super) fn ahead_of(bundle: u64, full: u64) -> Range<u64> {
    bundle..bundle.saturating_add(full.saturating_mul(2).clamp(AHEAD, MOST))
}

impl Files {
    /// The file that a bundle's entries are appended to. It is made if it is not there, or not known
    /// to be there after a crash: as those are of all bundles before `ready`.
    pub(super) fn append_to(&self, bundle: u64, ready: &mut u64) -> Result<File, LogError> {
        if bundle >= *ready || !is_file(&self.open(bundle))? {
            let all = ahead_of(bundle, 0);
            self.make_open(all.clone())?;
            *ready = all.end;
        }
        open_to_append(&self.open(bundle))
    }

    /// Makes the empty files that entries of these bundles are appended to.
    pub(super) fn make_open(&self, bundles: Range<u64>) -> Result<(), LogError> {
        self.make_ahead(bundles, |bundle| self.open(bundle), OpenOptions::new)
    }

    /// Makes the empty files of these bundles, which are there after a crash: the directory is
    /// flushed once for all of them.
    pub(super) fn make_ahead(
        &self,
        bundles: Range<u64>,
        path_of: impl Fn(u64) -> PathBuf,
        options: impl Fn() -> OpenOptions,
    ) -> Result<(), LogError> {
        let first = path_of(bundles.start);
        for ahead in bundles {
            let path = path_of(ahead);
            match options().append(true).create_new(true).open(&path) {
                // Whatever it is, it is looked at when its turn comes.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => drop(made.map_err(LogError::disk("making", &path))?),
            }
        }
        first.parent().map_or(Ok(()), sync_directory)
    }

    pub(super) fn sync_open(&self) -> Result<(), LogError> {
        sync_directory(&self.root().join(OPEN))
    }
}
