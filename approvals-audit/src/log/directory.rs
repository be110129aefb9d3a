//! Reading a log as it lies in its directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::files::LONGEST_PAYLOAD;
use super::head::{HEAD_CHANGED, size_said};
use super::{Files, LogError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::VerifierKey;
use crate::tile::{Entries, HEIGHT, Tile, WIDTH};
use crate::tree::{Frontier, Hash, Nodes};

/// How many tiles are remembered while proofs are made.
const REMEMBERED: usize = 64;

/// A log's directory, which nobody but its writer changes.
#[derive(Debug)]
pub struct Directory {
    files: Files,
    tiles: Mutex<BTreeMap<Tile, Arc<[Hash]>>>,
}

impl Directory {
    /// Of this path. Nothing is read yet.
    #[must_use]
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self::of(Files::of(path.as_ref()))
    }

    pub(super) fn of(files: Files) -> Self {
        Self {
            files,
            tiles: Mutex::default(),
        }
    }

    pub(super) const fn files(&self) -> &Files {
        &self.files
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.root()
    }

    /// The last signed checkpoint as it is written: that of all entries that were acknowledged, also
    /// where it is not published yet. It is there after a crash, so that it may be shown to anybody.
    ///
    /// # Errors
    /// [`LogError`] when there is none, or it cannot be read.
    pub fn note(&self) -> Result<Vec<u8>, LogError> {
        // The head first: a writer that opens the log meanwhile publishes what it has, and begins
        // another.
        let head = self.files.head_to_show()?;
        let published = self.published()?;
        let size = size_said(&published);
        let Some(head) = head else {
            return Ok(published);
        };
        let changed = |_| self.changed_head(size.unwrap_or(0));
        let head = head.map_err(changed)?;
        match (size_said(&head), size) {
            (Some(head), Some(published)) if head <= published => {}
            // Whoever verifies it finds that it is no checkpoint, if it is none.
            (_, Some(_)) => return Ok(head),
            (_, None) => {}
        }
        Ok(published)
    }

    /// The published checkpoint as it is written: the file `checkpoint`, for which all tiles are
    /// there as C2SP says. The writer replaces it a moment after it acknowledged entries.
    ///
    /// # Errors
    /// [`LogError`] when there is none, or it cannot be read.
    pub fn published(&self) -> Result<Vec<u8>, LogError> {
        let published = self.files.checkpoint()?;
        published.ok_or_else(|| self.damaged(0, "there is no checkpoint"))
    }

    /// The last checkpoints that were signed, published or not, as far as the log still has them.
    pub(crate) fn head(&self) -> Result<Vec<Vec<u8>>, LogError> {
        let published = size_said(&self.published()?).unwrap_or(0);
        let head = self.files.read_head()?;
        head.map_err(|_| self.changed_head(published))
    }

    fn changed_head(&self, published: u64) -> LogError {
        self.damaged(published, HEAD_CHANGED)
    }

    pub(crate) fn keep_witnessed(&self, note: &[u8]) -> Result<(), LogError> {
        self.files.keep_witnessed(note)
    }

    /// The last checkpoint that witnesses have signed, as it is written.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn witnessed(&self) -> Result<Option<Vec<u8>>, LogError> {
        self.files.witnessed()
    }

    /// The checkpoint, signed by one of these keys.
    ///
    /// # Errors
    /// [`LogError`] when there is none that they signed.
    pub fn checkpoint(&self, keys: &[VerifierKey]) -> Result<Checkpoint, LogError> {
        let verified = Checkpoint::verified(&self.note()?, keys);
        verified.map_err(|error: CheckpointError| LogError::Checkpoint {
            path: self.path().to_owned(),
            error,
        })
    }

    /// The bytes of a bundle of entries in a log of this size: exactly as many entries as it has
    /// there.
    ///
    /// # Errors
    /// [`LogError`] when it is not there, or not whole.
    pub fn bundle(&self, index: u64, size: u64) -> Result<Vec<u8>, LogError> {
        let first = self.first(index, size)?;
        let tile = Tile::with(None, first, size);
        let exact = self.files.tile(tile);
        // A bundle that has grown since begins with what it had then.
        let (full, open) = (self.files.tile(Tile::bundle(index)), self.files.open(index));
        // It may have become full since it was not.
        for path in [&exact, &full, &open, &full] {
            let Some(mut bytes) = self.files.read_bundle(path)? else {
                continue;
            };
            let mut entries = Entries::of(&bytes);
            let whole = (0..tile.width)
                .take_while(|_| entries.next().is_some())
                .count() as u64;
            let length = bytes.len() - entries.rest().len();
            if whole < tile.width {
                return Err(self.damaged(first + whole, "its bundle ends before it, or within it"));
            }
            if *path == exact && length < bytes.len() {
                return Err(self.damaged(first + whole, "its bundle has more than its entries"));
            }
            bytes.truncate(length);
            return Ok(bytes);
        }
        Err(self.damaged(first, "its bundle is missing"))
    }

    /// What is left of a bundle that is not whole, or may not be.
    pub(crate) fn torn_bundle(&self, index: u64, size: u64) -> Result<Vec<u8>, LogError> {
        let first = self.first(index, size)?;
        let tile = Tile::with(None, first, size);
        let full = self.files.tile(Tile::bundle(index));
        let places = [self.files.tile(tile), full, self.files.open(index)];
        for path in places {
            if let Some(bytes) = self.files.read_bundle(&path)? {
                return Ok(bytes);
            }
        }
        Err(self.damaged(first, "its bundle is missing"))
    }

    /// The first entry, or hash of a level with so many, that a tile of this index has.
    fn first(&self, index: u64, count: u64) -> Result<u64, LogError> {
        let first = index.checked_mul(WIDTH).filter(|first| *first < count);
        first.ok_or_else(|| self.damaged(count, "the log has fewer entries"))
    }

    /// Whether there are entries past this size that no crash leaves there: then the checkpoint is
    /// an older one than this log's, or this is a copy that was made while the log grew.
    pub(crate) fn has_more(&self, size: u64) -> bool {
        let next = size / WIDTH;
        let full = |bundle: &u64| self.files.tile(Tile::bundle(*bundle)).exists();
        [next, next.saturating_add(1)]
            .iter()
            .any(|bundle| full(bundle) && !self.files.open(*bundle).exists())
    }

    /// The text of an event that is too long for an entry, by its hash in hexadecimal.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn payload(&self, sha256: &str) -> Result<Option<Vec<u8>>, LogError> {
        if !is_hash(sha256) {
            return Ok(None);
        }
        let path = self.files.payload(sha256);
        self.files.read_if_there(&path, LONGEST_PAYLOAD)
    }

    /// The hash of that text, in hexadecimal, as it is now. It is not held in memory.
    pub(crate) fn payload_hash(&self, sha256: &str) -> Result<Option<String>, LogError> {
        if !is_hash(sha256) {
            return Ok(None);
        }
        self.files.hash_if_there(&self.files.payload(sha256))
    }

    /// One entry of a log of this size.
    ///
    /// # Errors
    /// [`LogError`] when its bundle is not there, or not whole.
    pub fn entry(&self, index: u64, size: u64) -> Result<Vec<u8>, LogError> {
        let bundle = self.bundle(index / WIDTH, size)?;
        let within = (index % WIDTH) as usize;
        let entry = Entries::of(&bundle).nth(within);
        entry
            .map(<[u8]>::to_vec)
            .ok_or_else(|| self.damaged(index, "it is missing"))
    }

    /// A tile of hashes in a log of this size: from the disk as far as it is published, and from
    /// what is below it where it is not yet.
    ///
    /// # Errors
    /// [`LogError`] when it is not there, or not of its length.
    pub fn hashes(&self, level: u8, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        let first = self.first(index, Tile::count(level, size))?;
        let tile = Tile::with(Some(level), first, size);
        // What a level has is so many times smaller.
        let entry = first << (HEIGHT * level);
        let full = Tile::hashes(level, index);
        for stored in [tile, full] {
            if let Some(hashes) = self.stored(stored, tile.width, entry)? {
                return Ok(hashes);
            }
        }
        let published = size_said(&self.published()?).unwrap_or(0);
        let width = Tile::count(level, published).saturating_sub(first);
        let mut hashes = Vec::new();
        if width > 0 {
            let wanted = tile.width.min(width);
            let stored = self.stored(full.of_width(width.min(WIDTH)), wanted, entry)?;
            hashes = match stored {
                Some(stored) => stored,
                // It may have become full since it was not.
                None => match self.stored(full, tile.width, entry)? {
                    Some(stored) => return Ok(stored),
                    None => return Err(self.damaged(entry, "its tile of hashes is missing")),
                },
            };
        }
        self.add_unpublished(&mut hashes, tile, size)?;
        Ok(hashes)
    }

    /// The first so many hashes of a tile that lies in its place, if it does.
    fn stored(&self, tile: Tile, width: u64, entry: u64) -> Result<Option<Vec<Hash>>, LogError> {
        let Some(bytes) = self.files.read_hashes(&self.files.tile(tile))? else {
            return Ok(None);
        };
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LENGTH }>();
        if !rest.is_empty() || bytes.len() < tile.of_width(width).bytes() {
            return Err(self.damaged(entry, "its tile of hashes is too short"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 256")]
        let hashes = hashes.iter().take(width as usize);
        Ok(Some(hashes.map(|bytes| Hash::from_bytes(*bytes)).collect()))
    }

    /// Adds what a tile has in a log of this size and nowhere lies yet.
    fn add_unpublished(
        &self,
        hashes: &mut Vec<Hash>,
        tile: Tile,
        size: u64,
    ) -> Result<(), LogError> {
        let missing = hashes.len() as u64..tile.width;
        match tile.level.and_then(|level| level.checked_sub(1)) {
            None if missing.is_empty() => {}
            None => {
                let bundle = self.bundle(tile.index, size)?;
                let known = hashes.len();
                hashes.extend(Entries::of(&bundle).skip(known).map(Hash::of_leaf));
            }
            Some(below) => {
                for within in missing {
                    let mut subtree = Frontier::new();
                    for hash in self.hashes(below, tile.index * WIDTH + within, size)? {
                        subtree.push(hash);
                    }
                    hashes.push(subtree.root());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, entry: u64, why: &'static str) -> LogError {
        LogError::Damaged {
            path: self.path().to_owned(),
            entry,
            why,
        }
    }

    /// The log as it was when it had so many entries, to make proofs of.
    #[must_use]
    pub const fn as_of(&self, size: u64) -> AsOf<'_> {
        AsOf {
            directory: self,
            size,
        }
    }
}

/// Such names come out of entries: they may not lead anywhere else.
fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A log at one size.
#[derive(Debug, Clone, Copy)]
pub struct AsOf<'a> {
    directory: &'a Directory,
    size: u64,
}

impl AsOf<'_> {
    fn tile(&self, level: u8, index: u64) -> Result<Arc<[Hash]>, LogError> {
        let tile = Tile::with(Some(level), index * WIDTH, self.size);
        let tiles = || {
            self.directory
                .tiles
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(hashes) = tiles().get(&tile) {
            return Ok(Arc::clone(hashes));
        }
        let hashes: Arc<[Hash]> = self.directory.hashes(level, index, self.size)?.into();
        let mut tiles = tiles();
        if tiles.len() >= REMEMBERED {
            tiles.pop_first();
        }
        tiles.insert(tile, Arc::clone(&hashes));
        Ok(hashes)
    }
}

impl Nodes for AsOf<'_> {
    type Error = LogError;

    fn node(&self, height: u8, index: u64) -> Result<Hash, LogError> {
        let (level, within) = (height / HEIGHT, height % HEIGHT);
        let first = index << within;
        let hashes = self.tile(level, first / WIDTH)?;
        let from = (first % WIDTH) as usize;
        let mut subtree = Frontier::new();
        let covered = hashes.get(from..from + (1 << within));
        let missing = || {
            self.directory
                .damaged(index << height, "its tile of hashes is too short")
        };
        for hash in covered.ok_or_else(missing)? {
            subtree.push(*hash);
        }
        Ok(subtree.root())
    }
}
