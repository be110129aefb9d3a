//! The head of a log: the checkpoints that were acknowledged since the last one was published, one
//! after the other in a file that is only appended to.
//!
//! A record is a page: the signed note, and zeros. It is written once, in one piece, and flushed
//! after the entries that it covers. So a crash leaves a last record that is whole, cut short, or
//! nothing but zeros, and of the latter two nobody was told; any other record that is no signed
//! checkpoint was changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::disk::{self, is_file};
use super::{Files, LogError};
use crate::checkpoint::Checkpoint;
use crate::note::Note;

/// How long a record is, in bytes: what memory and disks write in one piece.
const RECORD: usize = 4096;

/// How many records there are before the last of them is published, however soon.
const MOST: u64 = 1024;

const LONGEST: u64 = (MOST + 1) * RECORD as u64;

/// The head, as its writer has it.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Head {
    /// An empty one. Everything that it had has to be published.
    pub(super) fn begin(files: &Files) -> Result<Self, LogError> {
        let path = files.head();
        let is_there = is_file(&path)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(!is_there);
        let file = options.open(&path);
        let file = file.map_err(LogError::disk("opening", &path))?;
        if !is_there {
            files.sync_root()?;
        }
        let mut head = Self {
            file,
            path,
            length: 0,
        };
        head.clear()?;
        Ok(head)
    }

    /// Whether it is there, as this writer left it.
    pub(super) fn stands(&self) -> Result<bool, LogError> {
        let there = std::fs::symlink_metadata(&self.path);
        let there = match there {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            there => there.map_err(LogError::disk("reading", &self.path))?,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let held = self.file.metadata();
            let held = held.map_err(LogError::disk("reading", &self.path))?;
            if (held.dev(), held.ino()) != (there.dev(), there.ino()) {
                return Ok(false);
            }
        }
        Ok(there.len() == self.length)
    }

    /// Appends a checkpoint. When this returns, it is there after a crash. `false`, and nothing
    /// appended, when there is no room for it.
    pub(super) fn append(&mut self, note: &[u8]) -> Result<bool, LogError> {
        if note.len() >= RECORD || self.length >= MOST * RECORD as u64 {
            return Ok(false);
        }
        let mut record = note.to_vec();
        record.resize(RECORD, 0);
        disk::append(&mut self.file, &self.path, &record)?;
        self.length += RECORD as u64;
        Ok(true)
    }

    /// Forgets all of it, once it is published. A crash before this is sure leaves what is known.
    pub(super) fn clear(&mut self) -> Result<(), LogError> {
        let cleared = self.file.set_len(0);
        cleared.map_err(LogError::disk("cutting", &self.path))?;
        self.length = 0;
        Ok(())
    }
}

impl Files {
    /// The notes of all whole records, in order. `Err` within names what is no note.
    pub(crate) fn read_head(&self) -> Result<Vec<Result<Vec<u8>, Changed>>, LogError> {
        let bytes = self.read_if_there(&self.head(), LONGEST)?;
        let bytes = bytes.unwrap_or_default();
        let (records, _) = bytes.as_chunks::<RECORD>();
        let whole = match records {
            [whole @ .., last] if is_zero(last) => whole,
            whole => whole,
        };
        Ok(whole.iter().map(|record| note_of(record)).collect())
    }

    /// The note of the last whole record, once it is sure to stay. `None` also where that cannot be
    /// made sure.
    ///
    /// Its writer may not have flushed it yet, and may lose power before it does. It would go on
    /// with other entries then, which nobody may find to be a fork: so whoever reads it has it
    /// flushed first. The entries were flushed before it was written.
    pub(crate) fn head_to_show(&self) -> Result<Option<Result<Vec<u8>, Changed>>, LogError> {
        let path = self.head();
        let Some(mut file) = disk::open_if_there(&path, LONGEST)? else {
            return Ok(None);
        };
        let read = |error| LogError::disk("reading", &path)(error);
        let records = file.metadata().map_err(read)?.len() / RECORD as u64;
        for record in (0..records).rev().take(2) {
            let mut bytes = [0; RECORD];
            let at = SeekFrom::Start(record * RECORD as u64);
            file.seek(at).map_err(read)?;
            match file.read_exact(&mut bytes) {
                // It was published meanwhile.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                read_all => read_all.map_err(read)?,
            }
            if !is_zero(&bytes) {
                return Ok(file.sync_data().is_ok().then(|| note_of(&bytes)));
            }
        }
        Ok(None)
    }
}

/// A record that no crash has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed;

fn is_zero(record: &[u8]) -> bool {
    record.iter().all(|byte| *byte == 0)
}

fn note_of(record: &[u8]) -> Result<Vec<u8>, Changed> {
    let end = record.iter().position(|byte| *byte == 0).ok_or(Changed)?;
    let (note, rest) = record.split_at_checked(end).ok_or(Changed)?;
    is_zero(rest).then(|| note.to_vec()).ok_or(Changed)
}

/// How many entries a checkpoint says there are, whoever signed it.
pub(crate) fn size_said(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size)
}
