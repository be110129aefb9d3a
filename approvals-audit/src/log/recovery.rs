//! Opening a log: what a crash left past the last checkpoint is dropped, and anything else that is
//! not as it was signed is refused.

use std::fs::OpenOptions;
use std::path::Path;

use super::completing::{RECORDED, SIGNED};
use super::head::HEAD_CHANGED;
use super::known::Known;
use super::tail::{Full, Tail};
use super::writer::{Keys, Reached, Writer};
use super::{Directory, Files, LogError};
use crate::checkpoint::Checkpoint;
use crate::tile::{Entries, HEIGHT, Tile, WIDTH};
use crate::tree::{Hash, root_of};

impl Writer {
    /// Signs the checkpoint of an empty log. A crash before that has left nothing that counts.
    pub(super) fn begin(&mut self) -> Result<(), LogError> {
        if self.files.has_entries()? {
            return Err(self.damaged(0, "there are entries and no checkpoint"));
        }
        if self.files.read_head()? != Ok(Vec::new()) {
            return Err(self.damaged(0, "its checkpoint is gone"));
        }
        self.files.sync_open()?;
        self.unpublished = Some(self.sign()?);
        self.publish()
    }

    /// Makes what is in the directory what the checkpoint says, or refuses.
    pub(super) fn recover(
        &mut self,
        note: Vec<u8>,
        reached: Option<Reached>,
        sealed: Option<Reached>,
    ) -> Result<(), LogError> {
        let checkpoint = checkpoint_of(&self.files, &self.keys, &note)?;
        let size = checkpoint.size;
        let signed = self.last_signed(&checkpoint)?;
        let reached = reached.filter(|(size, _)| *size > 0);
        if reached.is_some_and(|(had, _)| signed.0 < had) {
            let why = "the log had more entries than its checkpoint says: it was set back";
            return Err(self.damaged(signed.0, why));
        }
        if sealed.is_some_and(|(had, _)| signed.0 > had) {
            let why = "the log has more entries than the store has recorded of it: the store was set back, or the log was written without it";
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
        self.published = Some(note);
        // They are shown without being flushed, so a loss of power may have left them empty.
        for (tile, bytes) in self.tail.partial() {
            self.files.show_tile(tile, &bytes)?;
        }
        let mut length = last.len();
        if signed.0 > size {
            length = self.take_up_to(&self.files.clone(), signed, SIGNED)?;
        }
        let known = reached.into_iter().chain(sealed);
        for reached in known.filter(|(had, _)| *had <= signed.0) {
            self.refuse_fork(&directory, reached)?;
        }
        if let Some(sealed) = sealed.filter(|(had, _)| *had > signed.0) {
            length = self.take_up_to(&self.files.clone(), sealed, RECORDED)?;
            tracing::warn!(
                entries = sealed.0,
                "whoever wrote the log died before it was signed: it is completed as the store has recorded it"
            );
        }
        // Everything is as it was signed or recorded: nothing is taken away before that.
        self.drop_past(&open, self.size() / WIDTH, length)?;
        self.known = Known::of(&directory, self.size())?;
        if self.size() > size {
            self.unpublished = Some(self.sign()?);
            return self.publish();
        }
        Ok(())
    }

    /// How far the log is by its last signed checkpoint, published or not.
    fn last_signed(&self, published: &Checkpoint) -> Result<Reached, LogError> {
        let mut before: Option<Checkpoint> = None;
        let changed = |_| self.damaged(published.size, HEAD_CHANGED);
        for note in self.files.read_head()?.map_err(changed)? {
            let size = before.as_ref().map_or(published.size, |last| last.size);
            let next = checkpoint_of(&self.files, &self.keys, &note)?;
            if before.is_some_and(|before| next.size <= before.size) {
                let why = "the checkpoints of its head are not in their order: they were changed";
                return Err(self.damaged(size, why));
            }
            before = Some(next);
        }
        let last = before.filter(|last| last.size >= published.size);
        let last = last.as_ref().unwrap_or(published);
        if last.size == published.size && last.root != published.root {
            let why = "its head and its published checkpoint are not of one log";
            return Err(self.damaged(0, why));
        }
        Ok((last.size, last.root))
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
                self.files.sync_tiles(&[tile])?;
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
    pub(super) fn drop_past(
        &self,
        open: &[u64],
        whole: u64,
        length: usize,
    ) -> Result<(), LogError> {
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
}

pub(super) fn checkpoint_of(
    files: &Files,
    keys: &Keys,
    note: &[u8],
) -> Result<Checkpoint, LogError> {
    let checkpoint = Checkpoint::of(&keys.origin, note, &keys.trusted);
    checkpoint.map_err(|error| LogError::Checkpoint {
        path: files.root().to_owned(),
        error,
    })
}
