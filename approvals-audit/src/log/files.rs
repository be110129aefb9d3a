//! The files of a log, and what it takes that they are there after a crash.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::LogError;
use crate::tile::Tile;

/// Where entries are appended, a file for each bundle that is not full.
const OPEN: &str = "open";
const CHECKPOINT: &str = "checkpoint";
const CHECKPOINT_BEFORE: &str = "checkpoint.new";
const LOCK: &str = "lock";
const TILES: &str = "tile";
/// What is too long for an entry, by its hash.
const PAYLOADS: &str = "payload";

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
    /// while the file lives. A directory that holds something else is left as it is.
    pub(super) fn lock(&self) -> Result<File, LogError> {
        fs::create_dir_all(&self.root).map_err(LogError::disk("making", &self.root))?;
        if self.checkpoint()?.is_none() && self.is_foreign()? {
            return Err(LogError::Foreign(self.root.clone()));
        }
        let open = self.root.join(OPEN);
        fs::create_dir_all(&open).map_err(LogError::disk("making", &open))?;
        let path = self.root.join(LOCK);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(LogError::disk("opening", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(LogError::Locked(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(LogError::disk("locking", &path)(error)),
        }
    }

    /// The signed checkpoint, unless there is none.
    pub(crate) fn checkpoint(&self) -> Result<Option<Vec<u8>>, LogError> {
        self.read_if_there(&self.root.join(CHECKPOINT))
    }

    /// Replaces the checkpoint. When this returns, it is there after a crash.
    pub(super) fn write_checkpoint(&self, note: &str) -> Result<(), LogError> {
        put(&self.root.join(CHECKPOINT), note.as_bytes(), true)?;
        sync_directory(&self.root)
    }

    /// Whether anything is here that no log has left.
    fn is_foreign(&self) -> Result<bool, LogError> {
        let read = |error| LogError::disk("reading", &self.root)(error);
        for entry in fs::read_dir(&self.root).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            let ours = [OPEN, CHECKPOINT, CHECKPOINT_BEFORE, LOCK, TILES, PAYLOADS];
            if !ours.iter().any(|our| name == **our) {
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
            let number = name.to_str().and_then(|name| name.parse().ok());
            found.push(number.ok_or_else(|| LogError::Foreign(path.clone()))?);
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn sync_open(&self) -> Result<(), LogError> {
        sync_directory(&self.root.join(OPEN))
    }

    /// Writes a tile for whoever reads the log: whole, or not at all, also where the process is
    /// killed while it writes one that is there already. After a loss of power it is made again.
    pub(super) fn show_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.tile(tile);
        self.make_parents(&path)?;
        put(&path, bytes, false)
    }

    /// Writes a full tile of hashes. When this returns it is there after a crash.
    pub(super) fn keep_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(), LogError> {
        self.keep(&self.tile(tile), bytes)
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        self.make_parents(path)?;
        put(path, bytes, true)?;
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
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(LogError::disk("linking", &path)),
        }
    }

    /// Has a full bundle under its own name only, and forgets what was shown of it before.
    pub(super) fn settle_bundle(&self, bundle: u64) -> Result<(), LogError> {
        self.sync_parents(&self.tile(Tile::bundle(bundle)))?;
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

    pub(crate) fn read_if_there(&self, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::disk("reading", path)(error)),
        }
    }

    /// Makes the directories between the log's and the file. The log's own is never made here: where
    /// it has gone, nothing of it may begin anew.
    fn make_parents(&self, path: &Path) -> Result<(), LogError> {
        let below = path.parent().and_then(|p| p.strip_prefix(&self.root).ok());
        let mut at = self.root.clone();
        for name in below.into_iter().flat_map(Path::components) {
            at.push(name);
            match fs::create_dir(&at) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(LogError::disk("making", &at))?,
            }
        }
        Ok(())
    }

    /// Every directory between the log's and the file.
    fn sync_parents(&self, path: &Path) -> Result<(), LogError> {
        let within = |parent: &&Path| parent.starts_with(&self.root);
        path.ancestors()
            .skip(1)
            .take_while(within)
            .try_for_each(sync_directory)
    }
}

/// Replaces a file as a whole.
fn put(path: &Path, bytes: &[u8], sync: bool) -> Result<(), LogError> {
    let before = path.with_extension("new");
    write(&before, bytes, sync)?;
    fs::rename(&before, path).map_err(LogError::disk("replacing", path))
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> Result<(), LogError> {
    let file = File::create(path).map_err(LogError::disk("making", path))?;
    (&file)
        .write_all(bytes)
        .map_err(LogError::disk("writing", path))?;
    if sync {
        file.sync_all().map_err(LogError::disk("flushing", path))?;
    }
    Ok(())
}

fn sync_directory(path: &Path) -> Result<(), LogError> {
    let directory = File::open(path).map_err(LogError::disk("opening", path))?;
    directory
        .sync_all()
        .map_err(LogError::disk("flushing", path))
}
