//! How far an export has come.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ExportError, Format};
use crate::durable;
use crate::reading::SignedLog;
use crate::tree::Hash;

/// A file that says how far an export has come, and of which log. While it is open no other process
/// exports with it.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    format: Format,
    origin: String,
    next: u64,
    _lock: File,
}

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: u32,
    /// Which log.
    log: String,
    format: String,
    /// The first entry that was not delivered.
    next: u64,
    /// The log as it was then: it must still begin so.
    size: u64,
    root: String,
}

const VERSION: u32 = 1;

impl Cursor {
    /// Reads the file, or begins at the first entry where there is none.
    pub(super) fn open(path: &Path, format: Format, log: &SignedLog) -> Result<Self, ExportError> {
        let disk = |error| ExportError::disk("opening", path, error);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.with_file_name(name))
            .map_err(disk)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ExportError::InUse(path.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        let mut cursor = Self {
            path: path.to_owned(),
            format,
            origin: log.checkpoint().origin.clone(),
            next: 0,
            _lock: lock,
        };
        match std::fs::read(path) {
            Ok(bytes) => cursor.next = cursor.judge(&bytes, log)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk(error)),
        }
        Ok(cursor)
    }

    /// Where to go on, if the file is about this log and this form, and the log still begins as it
    /// did.
    fn judge(&self, bytes: &[u8], log: &SignedLog) -> Result<u64, ExportError> {
        let wrong = |why: String| ExportError::Cursor {
            path: self.path.clone(),
            why,
        };
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let root = Hash::parse(&written.root).ok_or_else(|| wrong("its root is no hash".into()))?;
        if written.version != VERSION {
            return Err(wrong(format!("it is of version {}", written.version)));
        }
        if written.log != self.origin {
            return Err(wrong(format!("it is of the log `{}`", written.log)));
        }
        if written.format != self.format.as_str() {
            return Err(wrong(format!("it is of an export as `{}`", written.format)));
        }
        if written.next > written.size {
            return Err(wrong("it is past the end of its log".to_owned()));
        }
        if !log.extends(written.size, root)? {
            let size = written.size;
            return Err(ExportError::OtherLog { size });
        }
        Ok(written.next)
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Notes that everything before `next` was delivered.
    pub(super) fn advance(&mut self, next: u64, log: &SignedLog) -> Result<(), ExportError> {
        let checkpoint = log.checkpoint();
        let written = Written {
            version: VERSION,
            log: self.origin.clone(),
            format: self.format.as_str().to_owned(),
            next,
            size: checkpoint.size,
            root: checkpoint.root.to_string(),
        };
        let disk = |error| ExportError::disk("writing", &self.path, error);
        let mut text = serde_json::to_vec(&written).map_err(|error| disk(error.into()))?;
        text.push(b'\n');
        durable::replace(&self.path, &text).map_err(disk)?;
        self.next = next;
        Ok(())
    }
}
