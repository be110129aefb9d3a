//! Appending: entries and then the checkpoint are on the disk before anybody is told.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::entry::Entry;
use super::known::Known;
use super::shown;
use super::tail::{Full, Tail};
use super::{Directory, Files, LogError};
use crate::checkpoint::Checkpoint;
use crate::note::{Note, Signer, VerifierKey};
use crate::tile::{Entries, HEIGHT, Tile, WIDTH};
use crate::tree::{Hash, root_of};

/// Who may have signed the log so far, and who signs it from now on.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) origin: String,
    pub(super) signers: Vec<Arc<dyn Signer>>,
    pub(super) trusted: Vec<VerifierKey>,
}

/// The one writer of a log. When anything fails, it is thrown away and the log opened again: what
/// lies past the last checkpoint was never acknowledged.
#[derive(Debug)]
pub(super) struct Writer {
    files: Files,
    keys: Keys,
    tail: Tail,
    /// The file of the bundle that is not full.
    file: Option<File>,
    /// What the trail's first and last entries are.
    known: Known,
    /// The checkpoint as this writer left it. Nobody else writes one.
    note: Option<Vec<u8>>,
}

/// How far a log is known to have been: its size then, and its root.
pub(super) type Reached = (u64, Hash);

impl Writer {
    /// Opens the log, or begins one in an empty directory. Whoever calls holds the lock.
    pub(super) fn open(
        files: &Files,
        keys: &Keys,
        reached: Option<Reached>,
    ) -> Result<Self, LogError> {
        let mut writer = Self {
            files: files.clone(),
            keys: keys.clone(),
            tail: Tail::default(),
            file: None,
            known: Known::default(),
            note: None,
        };
        match files.checkpoint()? {
            Some(note) => writer.recover(note, reached)?,
            None if reached.is_some_and(|(size, _)| size > 0) => {
                return Err(writer.damaged(0, "its checkpoint is gone"));
            }
            None => writer.begin()?,
        }
        Ok(writer)
    }

    /// Refuses a checkpoint that is not this log's, before anything is touched.
    pub(super) fn judge(files: &Files, keys: &Keys) -> Result<(), LogError> {
        match files.checkpoint()? {
            Some(note) => checkpoint_of(files, keys, &note).map(drop),
            None => Ok(()),
        }
    }

    /// How far the log is.
    pub(super) fn reached(&self) -> Reached {
        (self.tail.size(), self.tail.root())
    }

    fn damaged(&self, entry: u64, why: &'static str) -> LogError {
        Directory::of(self.files.clone()).damaged(entry, why)
    }

    /// Signs the checkpoint of an empty log. A crash before that has left nothing that counts.
    fn begin(&mut self) -> Result<(), LogError> {
        if self.files.has_entries()? {
            return Err(self.damaged(0, "there are entries and no checkpoint"));
        }
        self.files.sync_open()?;
        self.checkpoint()
    }

    /// Makes what is in the directory what the checkpoint says, or refuses.
    fn recover(&mut self, note: Vec<u8>, reached: Option<Reached>) -> Result<(), LogError> {
        let checkpoint = checkpoint_of(&self.files, &self.keys, &note)?;
        let size = checkpoint.size;
        let reached = reached.filter(|(size, _)| *size > 0);
        if reached.is_some_and(|(had, _)| size < had) {
            let why = "the log had more entries than its checkpoint says: it was set back";
            return Err(self.damaged(size, why));
        }
        // Whoever wrote it may have been killed before it was sure to stay.
        self.files.sync_root()?;
        let (whole, rest) = (size / WIDTH, size % WIDTH);
        let open = self.files.open_bundles()?;
        self.refuse_past(&open, whole, size)?;
        self.settle(&open, whole)?;
        let directory = Directory::of(self.files.clone());
        // The edges of all levels, the highest first.
        let levels = (0..u64::BITS / u32::from(HEIGHT))
            .take_while(|level| size >> (u32::from(HEIGHT) * level) > 0)
            .count();
        for level in (1..levels).rev() {
            #[expect(clippy::cast_possible_truncation, reason = "at most 8 levels")]
            let level = level as u8;
            let edge = self.edge(&directory, level, size)?;
            if !self.tail.push_hashes(level, &edge) {
                return Err(self.damaged(self.tail.size(), "its tiles are of another size"));
            }
        }
        let last = self.last_entries(whole, rest)?;
        for entry in Entries::of(&last) {
            // What was read out of a bundle fits into one.
            self.tail.push(entry);
        }
        if (self.tail.size(), self.tail.root()) != (size, checkpoint.root) {
            return Err(self.damaged(
                whole * WIDTH,
                "the entries or hashes before the checkpoint were changed: verify the log to find which",
            ));
        }
        if let Some(reached) = reached {
            self.refuse_fork(&directory, reached)?;
        }
        self.known = Known::of(&directory, size)?;
        self.note = Some(note);
        // Everything before the checkpoint is as it says: nothing is taken away before that.
        self.drop_past(&open, whole, last.len())?;
        for (tile, bytes) in self.tail.partial() {
            self.files.show_tile(tile, &bytes)?;
        }
        Ok(())
    }

    /// Refuses a log that is another than the one that is known to have come so far.
    fn refuse_fork(&self, directory: &Directory, (had, root): Reached) -> Result<(), LogError> {
        let (size, now) = self.reached();
        let then = if size == had {
            now
        } else {
            root_of(&directory.as_of(size), had)?
        };
        if then == root {
            return Ok(());
        }
        let why = "the log had other entries when it was last written: it was forked or replaced";
        Err(self.damaged(0, why))
    }

    /// The hashes of a level's last tile: the roots of the full tiles one level below.
    fn edge(&self, directory: &Directory, level: u8, size: u64) -> Result<Vec<Hash>, LogError> {
        let count = Tile::count(level, size);
        let first = count - count % WIDTH;
        let below = level - 1;
        (first..count)
            .map(|tile| {
                let mut subtree = crate::tree::Frontier::new();
                for hash in directory.hashes(below, tile, size)? {
                    subtree.push(hash);
                }
                Ok(subtree.root())
            })
            .collect()
    }

    /// Bundles that a checkpoint says are full, and that a crash kept from their place.
    fn settle(&self, open: &[u64], whole: u64) -> Result<(), LogError> {
        for bundle in open.iter().filter(|bundle| **bundle < whole) {
            self.files.link_bundle(*bundle)?;
            let full = self.hash_bundle(*bundle)?;
            for (tile, bytes) in full {
                self.files.keep_tile(tile, &bytes)?;
                self.files.forget_partial(tile)?;
            }
            self.files.settle_bundle(*bundle)?;
        }
        Ok(())
    }

    /// The tiles of hashes that a full bundle completes, from what is below them.
    fn hash_bundle(&self, bundle: u64) -> Result<Vec<Full>, LogError> {
        let directory = Directory::of(self.files.clone());
        let size = (bundle + 1) * WIDTH;
        let mut tail = Tail::default();
        let mut level = 1;
        let mut levels = Vec::new();
        while Tile::count(level, size - WIDTH) > 0 {
            levels.push((level, self.edge(&directory, level, size - WIDTH)?));
            level += 1;
        }
        for (level, edge) in levels.iter().rev() {
            tail.push_hashes(*level, edge);
        }
        let bytes = directory.bundle(bundle, size)?;
        let full = Entries::of(&bytes).filter_map(|entry| tail.push(entry));
        Ok(full.flatten().collect())
    }

    /// Entries past the checkpoint that no crash can have left.
    fn refuse_past(&self, open: &[u64], whole: u64, size: u64) -> Result<(), LogError> {
        let left = |bundle: &u64| self.files.tile(Tile::bundle(*bundle)).exists();
        let mut past = [whole, whole + 1].into_iter().filter(left);
        if past.any(|bundle| !open.contains(&bundle)) {
            return Err(self.damaged(
                size,
                "there are entries past the checkpoint: the checkpoint is an older one than this log's",
            ));
        }
        Ok(())
    }

    /// Drops what was written after the last checkpoint, and never acknowledged. So many bytes of
    /// the last bundle were.
    fn drop_past(&self, open: &[u64], whole: u64, length: usize) -> Result<(), LogError> {
        for bundle in open.iter().filter(|bundle| **bundle >= whole) {
            self.files.remove(&self.files.tile(Tile::bundle(*bundle)))?;
            if *bundle > whole || length == 0 {
                self.files.remove(&self.files.open(*bundle))?;
            }
        }
        if length > 0 {
            self.cut(&self.files.open(whole), length as u64)?;
        }
        Ok(())
    }

    /// The entries of the last bundle that the checkpoint covers.
    fn last_entries(&self, bundle: u64, entries: u64) -> Result<Vec<u8>, LogError> {
        if entries == 0 {
            return Ok(Vec::new());
        }
        let first = bundle * WIDTH;
        let Some(mut bytes) = self.files.read_bundle(&self.files.open(bundle))? else {
            return Err(self.damaged(first, "the file of the last entries is missing"));
        };
        let mut found = Entries::of(&bytes);
        let whole = (0..entries).take_while(|_| found.next().is_some()).count() as u64;
        if whole < entries {
            return Err(self.damaged(first + whole, "the last entries were cut off"));
        }
        bytes.truncate(bytes.len() - found.rest().len());
        Ok(bytes)
    }

    fn cut(&self, path: &Path, length: u64) -> Result<(), LogError> {
        let file = OpenOptions::new().write(true).open(path);
        let file = file.map_err(LogError::disk("opening", path))?;
        let written = file
            .metadata()
            .map_err(LogError::disk("reading", path))?
            .len();
        if written > length {
            tracing::warn!(path = %path.display(), bytes = written - length, "what was written after the last checkpoint is dropped: nobody was told that it is kept");
            let cut = file.set_len(length).and_then(|()| file.sync_all());
            cut.map_err(LogError::disk("cutting", path))?;
        }
        Ok(())
    }

    /// What the log has, and what comes next.
    pub(super) const fn known(&self) -> &Known {
        &self.known
    }

    pub(super) const fn size(&self) -> u64 {
        self.tail.size()
    }

    /// Appends entries, in the order of their numbers. When this returns they are kept.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<Committed, LogError> {
        let mut full = Vec::new();
        let mut bundles = Vec::new();
        let mut buffer = Vec::new();
        for payload in entries.iter().filter_map(|entry| entry.payload.as_ref()) {
            self.files.keep_payload(&payload.name, &payload.bytes)?;
        }
        for value in entries.iter().flat_map(|entry| &entry.values) {
            self.files.keep_value(value)?;
        }
        let mut shown = Vec::new();
        for entry in entries {
            let bundle = self.tail.bundle();
            let too_long = || entry.too_long();
            if !crate::tile::append(&mut buffer, &entry.bytes) {
                return Err(too_long());
            }
            full.extend(self.tail.push(&entry.bytes).ok_or_else(too_long)?);
            if let Some(presentation) = &entry.shown {
                shown::append(&mut shown, presentation);
            }
            if self.tail.bundle() > bundle {
                self.files.keep_shown(bundle, &mut shown)?;
                self.write(bundle, &mut buffer)?;
                self.file = None;
                bundles.push(bundle);
            }
        }
        self.files.keep_shown(self.tail.bundle(), &mut shown)?;
        if !buffer.is_empty() {
            self.write(self.tail.bundle(), &mut buffer)?;
        }
        for bundle in &bundles {
            self.files.link_bundle(*bundle)?;
        }
        let partial = self.tail.partial();
        // Levels above the lowest change only with it.
        let changed = |(tile, _): &&Full| matches!(tile.level, None | Some(0)) || !full.is_empty();
        for (tile, bytes) in full.iter().chain(partial.iter().filter(changed)) {
            self.files.show_tile(*tile, bytes)?;
        }
        self.checkpoint()?;
        self.known.append(entries);
        Ok(Committed { full, bundles })
    }

    /// Appends to a bundle's file, and flushes it.
    fn write(&mut self, bundle: u64, buffer: &mut Vec<u8>) -> Result<(), LogError> {
        let path = self.files.open(bundle);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.files.append_to(bundle)?,
        };
        file.write_all(buffer)
            .map_err(LogError::disk("writing", &path))?;
        file.sync_data()
            .map_err(LogError::disk("flushing", &path))?;
        self.file = Some(file);
        buffer.clear();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), LogError> {
        if self.files.checkpoint()? != self.note {
            return Err(self.damaged(
                self.tail.size(),
                "somebody else has changed its checkpoint while it was being written",
            ));
        }
        let checkpoint = Checkpoint {
            origin: self.keys.origin.clone(),
            size: self.tail.size(),
            root: self.tail.root(),
        };
        let signers = self.keys.signers.iter().map(AsRef::as_ref);
        let note = Note::signed(&checkpoint.text(), signers)?.to_string();
        self.files.write_checkpoint(&note)?;
        self.note = Some(note.into_bytes());
        Ok(())
    }

    /// Puts what became full in its place for good. Done after whoever waits was told: a crash
    /// before it is made up for when the log is opened.
    pub(super) fn settle_committed(&self, committed: &Committed) -> Result<(), LogError> {
        for (tile, bytes) in &committed.full {
            self.files.keep_tile(*tile, bytes)?;
            self.files.forget_partial(*tile)?;
        }
        for bundle in &committed.bundles {
            self.files.settle_bundle(*bundle)?;
        }
        Ok(())
    }
}

fn checkpoint_of(files: &Files, keys: &Keys, note: &[u8]) -> Result<Checkpoint, LogError> {
    let checkpoint = Checkpoint::of(&keys.origin, note, &keys.trusted);
    checkpoint.map_err(|error| LogError::Checkpoint {
        path: files.root().to_owned(),
        error,
    })
}

/// What a commit made full.
#[derive(Debug)]
pub(super) struct Committed {
    full: Vec<Full>,
    bundles: Vec<u64>,
}
