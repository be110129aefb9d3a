//! Why a log cannot be opened, written or read.

use std::io;
use std::path::{Path, PathBuf};

use approvals_core::StoreError;

use crate::checkpoint::CheckpointError;
use crate::note::SignError;

/// A log cannot be opened, written or read. Nothing that was acknowledged is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk did not do what it should.
    #[error("{doing} {}: {error}", path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process writes it.
    #[error("the log in {} is being written by another process: only one may", .0.display())]
    Locked(PathBuf),
    /// Its checkpoint is not what it should be.
    #[error("the checkpoint of the log in {}: {error}", path.display())]
    Checkpoint {
        /// The log's directory.
        path: PathBuf,
        /// What is wrong.
        error: CheckpointError,
    },
    /// It is not as its checkpoint says. Nothing is changed: verify it, and restore it.
    #[error("the log in {} is damaged at entry {entry}: {why}", path.display())]
    Damaged {
        /// The log's directory.
        path: PathBuf,
        /// The first entry that is known to be wrong or missing, counted from 0.
        entry: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The directory holds something else.
    #[error("{} holds no log of approvals, and is not empty: name an empty directory", .0.display())]
    Foreign(PathBuf),
    /// Anybody could put files into it.
    #[error("the log's directory {} can be written by anybody (mode {mode:03o}): `chmod o-w` it, and verify what is there", path.display())]
    Permissions {
        /// Which.
        path: PathBuf,
        /// Who may do what with it.
        mode: u32,
    },
    /// A link, a pipe or a device lies where one of its files or directories belongs.
    #[error("{} is no plain file or directory: a log is not read or written through links", .0.display())]
    NotPlain(PathBuf),
    /// One of its files is longer than it can be.
    #[error("{} is longer than {longest} bytes, which is the most that it can be", path.display())]
    Oversized {
        /// Which.
        path: PathBuf,
        /// The most that it can be.
        longest: u64,
    },
    /// The operating system gave no randomness for the salt of a sensitive value.
    #[error("no randomness for the salt of a sensitive value: {0}")]
    Random(String),
    /// The arguments of a call are not written as they should be.
    #[error("the arguments of a call cannot be told apart, so that none of them can be kept out")]
    Arguments,
    /// The checkpoint could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Several keys sign one log, under one name.
    #[error("the key `{found}` cannot sign the log of `{origin}`: keys of one log have its name")]
    KeyName {
        /// The log's.
        origin: String,
        /// The key's.
        found: String,
    },
    /// No key signs it.
    #[error("a log needs a key to sign with")]
    NoKey,
    /// An event is longer than an entry can be.
    #[error("event {number} is {bytes} bytes long; an entry has at most 65,535")]
    TooLong {
        /// Which.
        number: u64,
        /// How long it is.
        bytes: usize,
    },
    /// An event has no canonical form.
    #[error("event {number} cannot be written: {why}")]
    Unwritable {
        /// Which.
        number: u64,
        /// Why not.
        why: String,
    },
    /// An event is missing before this one.
    #[error(
        "event {expected} comes next, and {found} was offered: the log is behind its store, or belongs to another one"
    )]
    Gap {
        /// What the log needs.
        expected: u64,
        /// What it was given.
        found: u64,
    },
    /// The log has another event under this number.
    #[error(
        "the log has another event under number {0}: it belongs to another store, or the store was set back"
    )]
    OtherTrail(u64),
    /// Another process goes on with it, though this one holds its lock.
    #[error(
        "another process has taken the log over: its lock does not keep others from it, as on some network file systems, or it is another directory"
    )]
    Overtaken,
    /// What the store has recorded of the log is not of this crate.
    #[error("what the store has recorded of the log is not understood: {0:?}")]
    Seal(String),
    /// The store, which records how far the log is, failed.
    #[error("the store, which records how far the log is: {0}")]
    Store(#[from] StoreError),
    /// Whoever writes it is gone.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Disk { doing, path, error }
    }
}
