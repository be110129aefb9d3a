//! What SQLite said, and what to do about it.

use std::path::{Path, PathBuf};

use approvals_core::store::StoreError;

/// The store's file could not be opened. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is something else.
    #[error(
        "{path} is not a SQLite database: name another file, or move this one away to begin anew"
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the database of another program.
    #[error("{path} is a SQLite database of another program: name a file for requests alone")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error(
        "{path} has the tables of version {found}, and this version knows {known}: upgrade this program; the file was left as it is"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its tables.
        found: i64,
        /// The latest version that is known.
        known: i64,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({why}): keep a copy of it and of the files beside it, and restore it from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The file or its directory cannot be written.
    #[error(
        "{path} cannot be written ({why}): this process needs to write the file and the directory that it is in"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// There is no room.
    #[error("there is no room for {path} ({why}): free some")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Another process holds the file.
    #[error(
        "{path} is locked by another process: look for a shell or a backup that has it open, then try again"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It could not be opened for another reason.
    #[error("{path} cannot be opened: {why}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was noticed.
        why: String,
    },
}

/// The kinds of errors that SQLite tells apart and that are told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Full,
    ReadOnly,
    Damaged,
    NotADatabase,
    Locked,
    /// The disk or the connection failed.
    Broken,
    /// One statement failed; the transaction goes on.
    Statement,
}

/// The kind of an error, by SQLite's primary result code.
pub(crate) fn kind(error: &rusqlite::Error) -> Kind {
    let Some(sqlite) = error.sqlite_error() else {
        // What could not be bound or read is about one statement.
        return Kind::Statement;
    };
    match sqlite.extended_code & 0xff {
        13 => Kind::Full,
        8 => Kind::ReadOnly,
        11 => Kind::Damaged,
        26 => Kind::NotADatabase,
        5 | 6 => Kind::Locked,
        // ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE.
        1 | 18 | 19 | 20 | 25 => Kind::Statement,
        _ => Kind::Broken,
    }
}

impl OpenError {
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        match kind(error) {
            Kind::Full => Self::Full { path, why },
            Kind::ReadOnly => Self::ReadOnly { path, why },
            Kind::Damaged => Self::Damaged { path, why },
            Kind::NotADatabase => Self::NotADatabase { path },
            Kind::Locked => Self::Locked { path },
            Kind::Broken | Kind::Statement => Self::Failed { path, why },
        }
    }
}

/// What a store says when a statement failed.
pub(crate) fn told(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    match kind(error) {
        Kind::Full => StoreError::Full(format!(
            "there is no room for {path} ({error}): free some, then try again"
        )),
        Kind::ReadOnly => StoreError::Invalid(format!(
            "{path} cannot be written ({error}): this process needs to write the file and the directory that it is in"
        )),
        Kind::Damaged => StoreError::Invalid(format!(
            "{path} is damaged ({error}): keep a copy of it and of the files beside it, and restore it from a backup"
        )),
        Kind::NotADatabase => StoreError::Invalid(format!(
            "{path} is no SQLite database any more ({error}): restore it from a backup"
        )),
        Kind::Locked => StoreError::Unreachable(format!(
            "{path} was locked by another process for too long ({error}); nothing was done: look for a shell or a backup that has it open"
        )),
        Kind::Statement => StoreError::Invalid(format!("{path}: {error}")),
        Kind::Broken => StoreError::Unreachable(format!(
            "{path}: {error}: look after the disk, then try again"
        )),
    }
}
