//! What it takes that a file is there after a crash, and that nothing else is read in its place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;

use super::LogError;

/// How long a note may be in a file of its own.
const LONGEST_NOTE: u64 = 1 << 20;

/// A checkpoint in a file of its own.
pub(crate) fn read_note(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    read_if_there(path, LONGEST_NOTE)
}

/// Replaces it. When this returns it is there after a crash.
pub(crate) fn write_note(path: &Path, note: &[u8]) -> Result<(), LogError> {
    put(path, note, true)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    sync_directory(above.unwrap_or(Path::new(".")))
}

/// A file of at most so many bytes. What is no plain file is not read: it could be anything, and
/// never end.
pub(super) fn read_if_there(path: &Path, longest: u64) -> Result<Option<Vec<u8>>, LogError> {
    let Some(file) = open_if_there(path, longest)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    // It may have grown since.
    let read = file.take(longest.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(LogError::disk("reading", path))?;
    if bytes.len() as u64 > longest {
        return Err(too_long(path, longest));
    }
    Ok(Some(bytes))
}

/// The same, to be read piece by piece.
pub(super) fn open_if_there(path: &Path, longest: u64) -> Result<Option<File>, LogError> {
    if !is_file(path)? {
        return Ok(None);
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(LogError::disk("opening", path))?,
    };
    let found = file.metadata().map_err(LogError::disk("reading", path))?;
    if found.len() > longest {
        return Err(too_long(path, longest));
    }
    Ok(Some(file))
}

/// A plain file that is there, to append to it.
pub(super) fn open_to_append(path: &Path) -> Result<File, LogError> {
    // Nothing is written through a link.
    if !is_file(path)? {
        let gone = io::Error::from(io::ErrorKind::NotFound);
        return Err(LogError::disk("opening", path)(gone));
    }
    let file = OpenOptions::new().append(true).open(path);
    file.map_err(LogError::disk("opening", path))
}

/// Writes to a file that is flushed later, where it was written to last.
pub(super) fn add(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    file.write_all(bytes)
        .map_err(LogError::disk("writing", path))?;
    #[cfg(test)]
    recording::note(recording::Did::Wrote, path);
    Ok(())
}

/// Flushes files at the same time, each of them in a thread of its own but the first: one commit of
/// the file system serves several. When this returns, what was added to them is there after a crash.
pub(super) fn flush(files: &[(&File, &Path)]) -> Result<(), LogError> {
    let one = |(file, path): &(&File, &Path)| {
        let flushed = file.sync_data();
        flushed.map_err(LogError::disk("flushing", path))
    };
    if let Some((first, others)) = files.split_first() {
        thread::scope(|scope| {
            let beside = |other| thread::Builder::new().spawn_scoped(scope, move || one(other));
            let each: Vec<_> = others.iter().map(|other| (other, beside(other))).collect();
            one(first)?;
            each.into_iter().try_for_each(|(other, beside)| {
                match beside.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(flushed)) => flushed,
                    // There was no thread to be had, or none came back.
                    Ok(Err(_)) | Err(_) => one(other),
                }
            })
        })?;
    }
    #[cfg(test)]
    for (_, path) in files {
        recording::note(recording::Did::Flushed, path);
    }
    Ok(())
}

/// Makes a log's directory, and those above it, which are there after a crash. Only its owner may
/// enter it, until somebody decides otherwise.
pub(super) fn make_directories(path: &Path) -> Result<(), LogError> {
    match directory_builder(true).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.ok_or_else(|| LogError::disk("making", path)(error))?;
            make_directories(above)?;
            let made = directory_builder(true).create(path);
            made.map_err(LogError::disk("making", path))?;
        }
        Err(error) => return Err(LogError::disk("making", path)(error)),
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    sync_directory(above.unwrap_or(Path::new(".")))
}

pub(super) fn directory_builder(is_private: bool) -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are of Unix"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    if is_private {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    #[cfg(not(unix))]
    let _ = is_private;
    builder
}

/// Whether a plain file is there. A link, a pipe or a device in its place is an error: nothing is
/// read from it or written through it.
pub(super) fn is_file(path: &Path) -> Result<bool, LogError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(LogError::NotPlain(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LogError::disk("reading", path)(error)),
    }
}

fn too_long(path: &Path, longest: u64) -> LogError {
    LogError::Oversized {
        path: path.to_owned(),
        longest,
    }
}

/// Replaces a file as a whole.
pub(super) fn put(path: &Path, bytes: &[u8], sync: bool) -> Result<(), LogError> {
    put_by(&mut OpenOptions::new(), path, bytes, sync)
}

/// The same, written first under this name.
pub(super) fn put_from(before: &Path, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let file = write(&mut OpenOptions::new(), before, bytes)?;
    flush_all(&file, before)?;
    fs::rename(before, path).map_err(LogError::disk("replacing", path))
}

/// The same for a file that only its owner can read, which is there after a crash.
pub(super) fn put_private(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    put_by(private(&mut OpenOptions::new()), path, bytes, true)
}

/// Files that are made so can be read by their owner only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn put_by(
    options: &mut OpenOptions,
    path: &Path,
    bytes: &[u8],
    sync: bool,
) -> Result<(), LogError> {
    let file = write(options, &before(path), bytes)?;
    if sync {
        flush_all(&file, path)?;
    }
    put_in_place(path)
}

/// Writes a file beside its place. It is there after a crash once it is flushed and [in its
/// place](put_in_place).
pub(super) fn put_beside(path: &Path, bytes: &[u8]) -> Result<(PathBuf, File), LogError> {
    let before = before(path);
    let file = write(&mut OpenOptions::new(), &before, bytes)?;
    Ok((before, file))
}

pub(super) fn put_in_place(path: &Path) -> Result<(), LogError> {
    fs::rename(before(path), path).map_err(LogError::disk("replacing", path))
}

/// Where a file is written before it is in its place.
fn before(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn flush_all(file: &File, path: &Path) -> Result<(), LogError> {
    file.sync_all().map_err(LogError::disk("flushing", path))
}

/// Writes a new file. What a crash left in its place goes; nothing is written through a link.
fn write(options: &mut OpenOptions, path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    options.write(true).create_new(true);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path).map_err(LogError::disk("removing", path))?;
            options.open(path)
        }
        file => file,
    };
    let file = file.map_err(LogError::disk("making", path))?;
    (&file)
        .write_all(bytes)
        .map_err(LogError::disk("writing", path))?;
    Ok(file)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), LogError> {
    let directory = File::open(path).map_err(LogError::disk("opening", path))?;
    directory
        .sync_all()
        .map_err(LogError::disk("flushing", path))
}

/// What was appended to and flushed, in order, by a test's thread.
#[cfg(test)]
pub(super) mod recording {
    use std::cell::RefCell;
    use std::path::{Path, PathBuf};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::log) enum Did {
        Wrote,
        Flushed,
    }

    thread_local! {
        static DONE: RefCell<Vec<(Did, PathBuf)>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(did: Did, path: &Path) {
        DONE.with_borrow_mut(|done| done.push((did, path.to_owned())));
    }

    /// Everything since this was asked before.
    pub(in crate::log) fn take() -> Vec<(Did, PathBuf)> {
        DONE.take()
    }
}
