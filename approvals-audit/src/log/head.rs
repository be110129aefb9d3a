//! The head of a log: the last checkpoints that were signed, published or not, in a [ring](super::ring)
//! of pages.
//!
//! Pages are written in place, in a file that has all its room from the beginning: so a flush is of
//! the page alone, and not of where the file ends. Nothing is taken away once it is published: it is
//! old then, and written over after a while.
//!
//! Logs of versions before this have a head that is appended to, a page each, and emptied when its
//! last checkpoint is published. It is read as ever, and replaced when the log is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::thread;

use super::disk::{self, is_file};
use super::ring::{self, Changed, PAGE, PAGES, SECTOR, is_zero, note_of};
use super::{Files, LogError};
use crate::checkpoint::Checkpoint;
use crate::note::Note;

/// Why a log is refused whose head is neither whole nor as a crash leaves it.
pub(super) const HEAD_CHANGED: &str = "a checkpoint of its head was changed, or one is missing";

const LENGTH: u64 = (PAGES * PAGE) as u64;

/// How long one that was appended to may be.
const LONGEST: u64 = 1025 * PAGE as u64;

/// How often it is read again when it was being written.
const ATTEMPTS: usize = 16;

/// The head, as its writer has it.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    path: PathBuf,
    /// Where the next checkpoint belongs: a page of zeros, also after a crash.
    next: usize,
    /// What the page before it has.
    last: Vec<u8>,
}

impl Head {
    /// An empty one in the place of the one that was there. Everything that it had has to be
    /// published.
    pub(super) fn begin(files: &Files) -> Result<Self, LogError> {
        let path = files.head();
        // Nothing else is replaced.
        is_file(&path)?;
        disk::put(&path, &vec![0; PAGES * PAGE], true)?;
        files.sync_root()?;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        Ok(Self {
            file: file.map_err(LogError::disk("opening", &path))?,
            path,
            next: 0,
            last: vec![0; PAGE],
        })
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
        let before = (self.next + PAGES - 1) % PAGES;
        Ok(there.len() == LENGTH
            && self.page(before)? == *self.last
            && is_zero(&self.page(self.next)?))
    }

    fn page(&self, page: usize) -> Result<[u8; PAGE], LogError> {
        let mut bytes = [0; PAGE];
        let at = (&self.file).seek(place_of(page));
        let read = at.and_then(|_| (&self.file).read_exact(&mut bytes));
        read.map_err(LogError::disk("reading", &self.path))?;
        Ok(bytes)
    }

    /// Adds a checkpoint. When this returns, it is there after a crash. `false`, and nothing
    /// written, when a page cannot hold it.
    pub(super) fn add(&mut self, note: &[u8]) -> Result<bool, LogError> {
        // One that ends with a sector could not be told from one that is torn there.
        if note.len() >= PAGE || note.len().is_multiple_of(SECTOR) {
            return Ok(false);
        }
        let mut bytes = note.to_vec();
        bytes.resize(PAGE, 0);
        let last = bytes.clone();
        bytes.resize(2 * PAGE, 0);
        let mut place = self.next;
        let after = (place + 1) % PAGES;
        if after == 0 {
            let zeros = bytes.split_off(PAGE);
            self.write(place, &bytes)?;
            (place, bytes) = (after, zeros);
        }
        self.write(place, &bytes)?;
        disk::flush(&[(&self.file, &self.path)])?;
        self.last = last;
        self.next = after;
        Ok(true)
    }

    fn write(&mut self, page: usize, bytes: &[u8]) -> Result<(), LogError> {
        let at = self.file.seek(place_of(page));
        at.map_err(LogError::disk("writing", &self.path))?;
        disk::add(&mut self.file, &self.path, bytes)
    }
}

const fn place_of(page: usize) -> SeekFrom {
    SeekFrom::Start((page * PAGE) as u64)
}

/// What a head has.
type Notes = Result<Vec<Vec<u8>>, Changed>;

impl Files {
    /// The notes of all whole pages, in the order in which they were written.
    pub(crate) fn read_head(&self) -> Result<Notes, LogError> {
        Ok(self
            .notes_of_head()?
            .map_or(Ok(Vec::new()), |(_, notes)| notes))
    }

    /// The last note, once it is sure to stay. `None` also where that cannot be made sure.
    ///
    /// Its writer may not have flushed it yet, and may lose power before it does. It would go on
    /// with other entries then, which nobody may find to be a fork: so whoever reads it has it
    /// flushed first. The entries were flushed before it was written.
    pub(crate) fn head_to_show(&self) -> Result<Option<Result<Vec<u8>, Changed>>, LogError> {
        let Some((file, notes)) = self.notes_of_head()? else {
            return Ok(None);
        };
        let last = notes.map(|mut notes| notes.pop()).transpose();
        Ok(last.filter(|_| file.sync_data().is_ok()))
    }

    /// What the head has, and its file as it was read. Readers keep nobody from writing, so what
    /// they find may be pages of two moments: then they look again.
    fn notes_of_head(&self) -> Result<Option<(File, Notes)>, LogError> {
        let path = self.head();
        let mut attempts = ATTEMPTS;
        loop {
            let Some(mut file) = disk::open_if_there(&path, LONGEST)? else {
                return Ok(None);
            };
            let mut bytes = Vec::with_capacity(PAGES * PAGE + 1);
            let read = file.by_ref().take(LONGEST).read_to_end(&mut bytes);
            read.map_err(LogError::disk("reading", &path))?;
            let (pages, rest) = bytes.as_chunks::<PAGE>();
            let notes = match (pages.len(), rest) {
                (PAGES, []) => ring::notes_of(pages),
                _ => appended(pages),
            };
            attempts -= 1;
            if notes.is_ok() || attempts == 0 {
                return Ok(Some((file, notes)));
            }
            thread::yield_now();
        }
    }
}

/// The notes of a head that was appended to. A crash has left its last page whole, cut short, or
/// nothing but zeros.
fn appended(pages: &[[u8; PAGE]]) -> Notes {
    let whole = match pages {
        [whole @ .., last] if is_zero(last) => whole,
        whole => whole,
    };
    whole.iter().map(note_of).collect()
}

/// How many entries a checkpoint says there are, whoever signed it.
pub(crate) fn size_said(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size)
}
