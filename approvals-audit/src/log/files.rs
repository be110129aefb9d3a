//! The files of a log, and what it takes that they are there after a crash.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::disk::{
    self, directory_builder, is_file, make_directories, put, put_private, sync_directory,
};
use super::{LogError, hex};
use crate::tile::{Tile, WIDTH};
use crate::tree::Hash;

/// Where entries are appended, a file for each bundle that is not full.
pub(super) const OPEN: &str = "open";
const CHECKPOINT: &str = "checkpoint";
/// The last checkpoints that were signed, published or not.
const HEAD: &str = "head";
const HEAD_BEFORE: &str = "head.new";
const CHECKPOINT_BEFORE: &str = "checkpoint.new";
/// The last checkpoint that witnesses have signed.
const WITNESSED: &str = "checkpoint.witnessed";
const LOCK: &str = "lock";
const TILES: &str = "tile";
/// What is too long for an entry, by its hash.
const PAYLOADS: &str = "payload";

/// What is sensitive, a directory for each request.
pub(super) const VALUES: &str = "value";
/// What reviewers were shown, a file for each bundle.
pub(super) const SHOWN: &str = "shown";

/// How long a checkpoint may be, in bytes: a note with all its signatures.
const LONGEST_NOTE: u64 = 1 << 20;
/// How long a bundle may be: each entry's length takes two bytes, and says at most 65,535.
const LONGEST_BUNDLE: u64 = WIDTH * (2 + u16::MAX as u64);
/// How long a tile of hashes may be.
const LONGEST_TILE: u64 = WIDTH * Hash::LENGTH as u64;
/// How long the text of an event may be that lies beside the log.
pub(crate) const LONGEST_PAYLOAD: u64 = 64 << 20;

/// A log's directory.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn tile(&self, tile: Tile) -> PathBuf {
        self.root.join(tile.to_string())
    }

    pub(crate) fn open(&self, bundle: u64) -> PathBuf {
        self.root.join(OPEN).join(bundle.to_string())
    }

    /// Makes the directory if it is not there, and keeps other processes from writing the log
    /// while the file lives. A directory that holds something else, or that anybody can write to,
    /// is left as it is.
    pub(super) fn lock(&self) -> Result<File, LogError> {
        make_directories(&self.root)?;
        self.refuse_writable_by_all()?;
        if self.checkpoint()?.is_none() && self.is_foreign()? {
            return Err(LogError::Foreign(self.root.clone()));
        }
        self.make_directory(&self.root.join(OPEN))?;
        let path = self.root.join(LOCK);
        let mut options = OpenOptions::new();
        options.append(true);
        let file = match is_file(&path)? {
            true => options.open(&path),
            false => options.create_new(true).open(&path),
        };
        let file = match file {
            // Another process was first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LogError::Locked(self.root.clone()));
            }
            file => file.map_err(LogError::disk("opening", &path))?,
        };
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(LogError::Locked(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(LogError::disk("locking", &path)(error)),
        }
    }

    /// Refuses when the lock that is held is not the one that others would take: it was removed or
    /// replaced, and another process may be writing.
    pub(super) fn holds(&self, lock: &File) -> Result<(), LogError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let path = self.root.join(LOCK);
            let read = LogError::disk("reading", &path);
            let held = lock.metadata().map_err(read)?;
            let there = fs::symlink_metadata(&path).map_err(LogError::disk("reading", &path))?;
            if (held.dev(), held.ino()) != (there.dev(), there.ino()) {
                return Err(LogError::Locked(self.root.clone()));
            }
        }
        #[cfg(not(unix))]
        let _ = lock;
        Ok(())
    }

    /// Who may write here can put any file in the place of another.
    fn refuse_writable_by_all(&self) -> Result<(), LogError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let found = fs::metadata(&self.root).map_err(LogError::disk("reading", &self.root))?;
            let mode = found.mode() & 0o777;
            if mode & 0o002 != 0 {
                let path = self.root.clone();
                return Err(LogError::Permissions { path, mode });
            }
        }
        Ok(())
    }

    pub(super) fn head(&self) -> PathBuf {
        self.root.join(HEAD)
    }

    /// The published checkpoint, unless there is none.
    pub(crate) fn checkpoint(&self) -> Result<Option<Vec<u8>>, LogError> {
        self.read_if_there(&self.root.join(CHECKPOINT), LONGEST_NOTE)
    }

    /// Replaces the published checkpoint. When this returns, it is there after a crash.
    pub(super) fn write_checkpoint(&self, note: &[u8]) -> Result<(), LogError> {
        put(&self.root.join(CHECKPOINT), note, true)?;
        self.sync_root()
    }

    /// The last checkpoint that witnesses have signed.
    pub(crate) fn witnessed(&self) -> Result<Option<Vec<u8>>, LogError> {
        self.read_if_there(&self.root.join(WITNESSED), LONGEST_NOTE)
    }

    pub(crate) fn keep_witnessed(&self, note: &[u8]) -> Result<(), LogError> {
        // Not `checkpoint.new`, which the log's writer puts in place.
        let before = self.root.join("witnessed.new");
        disk::put_from(&before, &self.root.join(WITNESSED), note)?;
        self.sync_root()
    }

    /// Makes sure that the checkpoint that is read here is there after a crash.
    pub(super) fn sync_root(&self) -> Result<(), LogError> {
        sync_directory(&self.root)
    }

    /// Whether there is anything of a log here: what only its writer can have left after its first
    /// checkpoint.
    pub(super) fn has_entries(&self) -> Result<bool, LogError> {
        let left = [TILES, PAYLOADS, VALUES, SHOWN].map(|name| self.root.join(name));
        Ok(left.iter().any(|path| path.symlink_metadata().is_ok())
            || !self.open_bundles()?.is_empty())
    }

    /// Whether anything is here that no log has left.
    fn is_foreign(&self) -> Result<bool, LogError> {
        let read = |error| LogError::disk("reading", &self.root)(error);
        for entry in fs::read_dir(&self.root).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let public = [OPEN, CHECKPOINT, CHECKPOINT_BEFORE, WITNESSED, LOCK, TILES];
            let others = [HEAD, HEAD_BEFORE, PAYLOADS, VALUES, SHOWN];
            let mut ours = public.into_iter().chain(others);
            if !ours.any(|our| name == *our) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The bundles that entries are being appended to, in order.
    pub(super) fn open_bundles(&self) -> Result<Vec<u64>, LogError> {
        let path = self.root.join(OPEN);
        let read = |error| LogError::disk("reading", &path)(error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let number = name.to_str().and_then(|name| {
                let number = name.parse::<u64>().ok()?;
                (number.to_string() == name).then_some(number)
            });
            found.push(number.ok_or_else(|| LogError::Foreign(path.clone()))?);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Writes a tile for whoever reads the log: whole, or not at all, also where the process is
    /// killed while it writes one that is there already. After a loss of power it is made again.
    pub(super) fn show_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.tile(tile);
        self.make_parents(&path)?;
        put(&path, bytes, false)
    }

    /// Writes a full tile of hashes, which is there after a crash once its place is
    /// [flushed](Self::sync_tiles).
    pub(super) fn keep_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.tile(tile);
        self.make_parents(&path)?;
        put(&path, bytes, true)
    }

    /// Writes a full tile of hashes beside its place.
    pub(super) fn write_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(PathBuf, File), LogError> {
        let path = self.tile(tile);
        self.make_parents(&path)?;
        disk::put_beside(&path, bytes)
    }

    /// Puts it in its place, once it is flushed.
    pub(super) fn place_tile(&self, tile: Tile) -> Result<(), LogError> {
        disk::put_in_place(&self.tile(tile))
    }

    /// Makes sure that these tiles and bundles are in their places after a crash.
    pub(super) fn sync_tiles(&self, tiles: &[Tile]) -> Result<(), LogError> {
        let paths: Vec<PathBuf> = tiles.iter().map(|tile| self.tile(*tile)).collect();
        let places: BTreeSet<&Path> = paths.iter().flat_map(|path| self.above(path)).collect();
        places.into_iter().try_for_each(sync_directory)
    }

    /// Keeps what is its owner's alone. When this returns it is there after a crash.
    pub(super) fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        self.make_parents(path)?;
        put_private(path, bytes)?;
        self.sync_parents(path)
    }

    pub(crate) fn payload(&self, name: &str) -> PathBuf {
        self.root.join(PAYLOADS).join(name)
    }

    /// Keeps what is too long for an entry. When this returns it is there after a crash.
    pub(super) fn keep_payload(&self, name: &str, bytes: &[u8]) -> Result<(), LogError> {
        self.keep(&self.payload(name), bytes)
    }

    /// Shows a bundle that is full where bundles lie. It is one file under both names.
    pub(super) fn link_bundle(&self, bundle: u64) -> Result<(), LogError> {
        let path = self.tile(Tile::bundle(bundle));
        self.make_parents(&path)?;
        match fs::hard_link(self.open(bundle), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // After a crash it is this very file. Anything else is nobody's to replace it by.
                let ours = self.read_if_there(&self.open(bundle), LONGEST_BUNDLE)?;
                if self.read_if_there(&path, LONGEST_BUNDLE)? == ours {
                    Ok(())
                } else {
                    Err(LogError::Damaged {
                        path: self.root.clone(),
                        entry: bundle.saturating_mul(WIDTH),
                        why: "another file lies where its full bundle belongs",
                    })
                }
            }
            linked => linked.map_err(LogError::disk("linking", &path)),
        }
    }

    /// Has a full bundle under its own name only, and forgets what was shown of it before.
    pub(super) fn settle_bundle(&self, bundle: u64) -> Result<(), LogError> {
        self.sync_tiles(&[Tile::bundle(bundle)])?;
        self.remove(&self.open(bundle))?;
        self.forget_partial(Tile::bundle(bundle))
    }

    /// Removes what was shown of a tile before it was full.
    pub(super) fn forget_partial(&self, full: Tile) -> Result<(), LogError> {
        let partial = self.tile(full.of_width(1));
        match partial.parent() {
            Some(path) => match fs::remove_dir_all(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.map_err(LogError::disk("removing", path)),
            },
            None => Ok(()),
        }
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), LogError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(LogError::disk("removing", path)),
        }
    }

    /// A bundle's bytes, wherever they lie.
    pub(crate) fn read_bundle(&self, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
        self.read_if_there(path, LONGEST_BUNDLE)
    }

    /// The bytes of a tile of hashes.
    pub(crate) fn read_hashes(&self, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
        self.read_if_there(path, LONGEST_TILE)
    }

    /// The SHA-256 of the text of an event, in hexadecimal.
    pub(crate) fn hash_if_there(&self, path: &Path) -> Result<Option<String>, LogError> {
        let Some(mut file) = disk::open_if_there(path, LONGEST_PAYLOAD)? else {
            return Ok(None);
        };
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut piece);
            let read = read.map_err(LogError::disk("reading", path))?;
            if read == 0 {
                return Ok(Some(hex(&hash.finalize())));
            }
            hash.update(piece.get(..read).unwrap_or_default());
        }
    }

    /// A file of at most so many bytes.
    pub(crate) fn read_if_there(
        &self,
        path: &Path,
        longest: u64,
    ) -> Result<Option<Vec<u8>>, LogError> {
        disk::read_if_there(path, longest)
    }

    /// Makes the directories between the log's and the file. The log's own is never made here: where
    /// it has gone, nothing of it may begin anew.
    pub(super) fn make_parents(&self, path: &Path) -> Result<(), LogError> {
        let below = path.parent().and_then(|p| p.strip_prefix(&self.root).ok());
        let mut at = self.root.clone();
        for name in below.into_iter().flat_map(Path::components) {
            at.push(name);
            self.make_directory(&at)?;
        }
        Ok(())
    }

    /// Makes a directory in one that is there. What lies beside the entries is its owner's alone.
    fn make_directory(&self, path: &Path) -> Result<(), LogError> {
        let private = [PAYLOADS, VALUES, SHOWN].map(|name| self.root.join(name));
        let is_private = private.iter().any(|private| path.starts_with(private));
        match directory_builder(is_private).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path).map_err(LogError::disk("reading", path))?;
                if found.is_dir() {
                    Ok(())
                } else {
                    Err(LogError::NotPlain(path.to_owned()))
                }
            }
            made => made.map_err(LogError::disk("making", path)),
        }
    }

    /// Every directory between the log's and the file.
    fn sync_parents(&self, path: &Path) -> Result<(), LogError> {
        self.above(path).try_for_each(sync_directory)
    }

    /// The directories from a file's up to the log's.
    fn above<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let within = |parent: &&Path| parent.starts_with(&self.root);
        path.ancestors().skip(1).take_while(within)
    }
}
