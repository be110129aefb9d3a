//! What reviewers were shown, beside the log: a file for each bundle of entries, a line for each
//! presentation. The SHA-256 of a line is the hash that the request's event has as `shown`.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _};
use std::ops::Range;
use std::path::PathBuf;

use approvals_core::Digest;
use sha2::{Digest as _, Sha256};

use super::appending::ahead_of;
use super::disk::{self, sync_directory};
use super::files::SHOWN;
use super::{Directory, Files, LogError};
use crate::tile::WIDTH;

/// How long the file of a bundle may be.
const LONGEST: u64 = 4 << 30;

/// How long a line may be: a presentation shows arguments of a few mebibytes at most.
const LONGEST_LINE: u64 = 64 << 20;

/// Adds a line. A presentation is JSON, which has no line feed of its own.
pub(super) fn append(lines: &mut Vec<u8>, presentation: &[u8]) {
    lines.extend_from_slice(presentation);
    lines.push(b'\n');
}

/// Where presentations are appended, as a log's writer has it.
#[derive(Debug, Default)]
pub(super) struct Presentations {
    /// Of which bundle, and its file.
    open: Option<(u64, File)>,
    /// Of all bundles before this one that are not full, the files are there after a crash.
    pub(super) ready: u64,
}

impl Presentations {
    /// Adds lines of this bundle, and returns the file that is to be flushed then; `None` where
    /// there are no lines.
    pub(super) fn add(
        &mut self,
        files: &Files,
        bundle: u64,
        lines: &mut Vec<u8>,
    ) -> Result<Option<(&File, PathBuf)>, LogError> {
        if lines.is_empty() {
            return Ok(None);
        }
        let path = files.shown(bundle);
        let mut file = match self.open.take() {
            Some((of, file)) if of == bundle && is_there(&file) => file,
            Some(_) | None => {
                let file = files.append_to_shown(bundle, &mut self.ready)?;
                let written = file.metadata().map_err(LogError::disk("reading", &path))?;
                if written.len() > 0 {
                    // A crash may have left half a line, which is nobody's.
                    lines.insert(0, b'\n');
                }
                file
            }
        };
        disk::add(&mut file, &path, lines)?;
        lines.clear();
        let (_, file) = self.open.insert((bundle, file));
        Ok(Some((file, path)))
    }
}

/// Whether a file that is held was not removed or replaced meanwhile.
fn is_there(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        file.metadata().is_ok_and(|found| found.nlink() > 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        true
    }
}

impl Files {
    fn shown(&self, bundle: u64) -> PathBuf {
        self.root().join(SHOWN).join(bundle.to_string())
    }

    /// The file of a bundle, made if it is not there, or not known to be there after a crash.
    fn append_to_shown(&self, bundle: u64, ready: &mut u64) -> Result<File, LogError> {
        let path = self.shown(bundle);
        if bundle >= *ready || !disk::is_file(&path)? {
            let all = ahead_of(bundle, 0);
            let place = self.root().join(SHOWN);
            let is_first = place.symlink_metadata().is_err();
            self.make_parents(&path)?;
            if is_first {
                sync_directory(self.root())?;
            }
            self.make_shown(all.clone())?;
            *ready = all.end;
        }
        disk::open_to_append(&path)
    }

    /// Makes the empty files of these bundles, in a directory that is there.
    pub(super) fn make_shown(&self, bundles: Range<u64>) -> Result<(), LogError> {
        let private = || disk::private(&mut OpenOptions::new()).clone();
        self.make_ahead(bundles, |bundle| self.shown(bundle), private)
    }

    fn shown_of(&self, bundle: u64) -> Result<Option<Lines>, LogError> {
        let path = self.shown(bundle);
        let file = disk::open_if_there(&path, LONGEST)?;
        Ok(file.map(|file| Lines {
            file: BufReader::new(file),
            path,
        }))
    }
}

/// The lines of a bundle's file.
struct Lines {
    file: BufReader<File>,
    path: PathBuf,
}

impl Lines {
    /// Reads the next line into `line`; says whether there was one.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, LogError> {
        line.clear();
        let read = self
            .file
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', line);
        let read = read.map_err(LogError::disk("reading", &self.path))?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(read > 0)
    }
}

impl Directory {
    /// What reviewers were shown of the request whose event is this entry, by its hash: the bytes
    /// that the hash is taken over. `None` when it does not lie beside the log.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn presentation(&self, entry: u64, shown: Digest) -> Result<Option<Vec<u8>>, LogError> {
        let Some(mut lines) = self.files().shown_of(entry / WIDTH)? else {
            return Ok(None);
        };
        let mut line = Vec::new();
        while lines.next(&mut line)? {
            if Sha256::digest(&line).as_slice() == shown.as_bytes() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The hashes of all that reviewers were shown of the requests of a bundle.
    pub(crate) fn presentations(&self, bundle: u64) -> Result<HashSet<[u8; 32]>, LogError> {
        let mut hashes = HashSet::new();
        if let Some(mut lines) = self.files().shown_of(bundle)? {
            let mut line = Vec::new();
            while lines.next(&mut line)? {
                if hashes.len() as u64 > 2 * WIDTH {
                    break;
                }
                hashes.insert(Sha256::digest(&line).into());
            }
        }
        Ok(hashes)
    }
}
