//! Files: read within bounds, replaced whole, and written by one writer at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::mistake::{LoadError, Mistake};

/// The largest file that is read, in bytes: some ten thousand people.
pub const MAX_FILE: u64 = 2 * 1024 * 1024;

/// How long another writer may take.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const LOCK_AGAIN: Duration = Duration::from_millis(10);

/// What a file held when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) text: String,
    pub(crate) hash: [u8; 32],
}

impl Contents {
    /// What a file of this text will hold.
    pub(crate) fn of(text: String) -> Self {
        let hash = Sha256::digest(text.as_bytes()).into();
        Self { text, hash }
    }
}

/// Reads a file that has to be there.
pub(crate) fn read(path: &Path) -> Result<Contents, LoadError> {
    match read_if_there(path)? {
        Some(contents) => Ok(contents),
        None => Err(wrong(
            path,
            "there is no such file: create it, or correct the path",
        )),
    }
}

/// Reads a file; nothing when there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Contents>, LoadError> {
    // A pipe would block whoever opens it, and a device may never end.
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(wrong(path, "this is no regular file: name one"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    }
    let mut bytes = Vec::new();
    let opened = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!(
            "the file has more than {MAX_FILE} bytes: remove people who left, or implement `Directory` on what your organisation keeps its people in"
        );
        return Err(wrong(path, message));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Contents::of(text))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("line {line} is not UTF-8: save the file as UTF-8");
            Err(wrong(path, message))
        }
    }
}

fn wrong(path: &Path, message: impl Into<String>) -> LoadError {
    LoadError::one(Mistake::of_file(path, message))
}

fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    wrong(path, format!("the file cannot be read: {error}"))
}

/// Replaces a file as a whole, for whoever holds its [`WriteLock`]. A crash before it returns leaves
/// the file as it was or as it is to be; once it has returned, the file outlives a crash.
pub(crate) fn replace(_alone: &WriteLock, path: &Path, text: &str) -> io::Result<()> {
    // It would not be read again.
    if text.len() as u64 > MAX_FILE {
        let why =
            format!("it would have more than {MAX_FILE} bytes: remove links of people who left");
        let error = io::Error::new(io::ErrorKind::FileTooLarge, why);
        return Err(named(path, &error));
    }
    let new = beside(path, ".new");
    // What a writer left who was killed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&new, &error)),
        Ok(()) | Err(_) => {}
    }
    write_durably(&new, text).map_err(|error| named(&new, &error))?;
    fs::rename(&new, path).map_err(|error| named(path, &error))?;
    sync_directory(path).map_err(|error| named(path, &error))
}

/// The error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let mut file = private(&mut options).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// For the owner of the process alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The path with more at its end.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// While it exists no other process and no other thread has one for the same file.
#[derive(Debug)]
pub(crate) struct WriteLock {
    // The lock is that of the open file, and ends with it, also when the process is killed.
    _file: File,
}

impl WriteLock {
    /// Waits for other writers, though not for ever. The lock is on a file beside the one that is
    /// written, since that one is replaced by another.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = beside(path, ".lock");
        let opened = private(&mut options).open(&lock);
        let file = opened.map_err(|error| named(&lock, &error))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WITHIN => {
                    std::thread::sleep(LOCK_AGAIN);
                }
                Err(TryLockError::WouldBlock) => {
                    let why = "another process has held this lock for too long: see which";
                    let error = io::Error::new(io::ErrorKind::WouldBlock, why);
                    return Err(named(&lock, &error));
                }
                Err(TryLockError::Error(error)) => return Err(named(&lock, &error)),
            }
        }
    }
}
