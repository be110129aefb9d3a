//! Questions about the log, answered by an index beside it.
//!
//! The index is a file of SQLite that can be built from the log at any time, and holds nothing that
//! the log does not. It remembers of which log it was built, and of how much of it: where the log
//! does not go on from there, it is built anew. Whatever it answers names places in the log, where
//! the entry and its proof are.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let somewhere = tempfile::tempdir()?;
//! # let path = somewhere.path().join("log");
//! # use std::sync::Arc;
//! # use approvals_audit::{AuditLog, Ed25519Signer, Signer};
//! # let key = Arc::new(Ed25519Signer::generate("example.com/approvals")?);
//! # let public = key.key().clone();
//! # AuditLog::at(&path, key).open().await?.close().await;
//! use approvals_audit::SignedLog;
//! use approvals_audit::index::{Index, Question, Standing};
//!
//! let index = Index::open(somewhere.path().join("index.sqlite"))?;
//! index.update(&SignedLog::open(&path, &[public])?)?;
//! let denied = Question::new().action("db.export").standing(Standing::Denied);
//! let page = index.find(&denied, None, 50)?;
//! assert!(page.found.is_empty() && page.next.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! All methods wait for the disk: call them where that holds nobody up.

mod build;
mod figures;
mod histogram;
mod question;
mod rows;
mod schema;
mod seen;
mod standing;
mod story;
mod terms;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

pub use self::figures::{Period, Rates, RuleUse, TimeToDecision};
pub use self::question::{Cursor, Found, Page, Question};
pub use self::standing::Standing;
pub use self::story::{SelfApproval, Step};
use self::terms::Terms;
use crate::log::LogError;
use crate::reading::SignedLog;
use crate::tree::Hash;

/// Answers questions about a log.
#[derive(Debug)]
pub struct Index {
    writing: Mutex<(Connection, Terms)>,
    reading: Mutex<Connection>,
}

/// What an index was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The log's name.
    pub origin: String,
    /// How many of its entries are in the index.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What bringing an index up to date came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// What it has now.
    pub built: Built,
    /// Whether it was built anew: there was none, or the log did not go on from it. The second is
    /// worth finding out about: verify the log.
    pub anew: bool,
}

/// An index cannot be built, or a question not be answered.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The log cannot be read, or is not what was signed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// SQLite says why.
    #[error("the index: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is another program's.
    #[error("{} is no index of a log: name another file", .0.display())]
    Foreign(PathBuf),
    /// An entry says something that this version does not know.
    #[error(
        "entry {entry} says something that this version of the index does not know: use a newer one"
    )]
    Newer {
        /// Which.
        entry: u64,
    },
    /// A time that ends before it begins, or a part that is none.
    #[error("{0}")]
    Question(&'static str),
}

impl Index {
    /// The index in this file, which is made when it is not there.
    ///
    /// # Errors
    /// [`IndexError`] when the file is another program's, or cannot be read and written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        let writing = schema::writer(path.as_ref())?;
        Ok(Self {
            writing: Mutex::new((writing, Terms::default())),
            reading: Mutex::new(schema::reader(path.as_ref())?),
        })
    }

    /// What it has. Nothing before the first [`update`](Self::update).
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn built(&self) -> Result<Option<Built>, IndexError> {
        build::built(&self.reading())
    }

    /// Brings it up to the log's checkpoint. Questions are answered meanwhile, of the part that is
    /// there.
    ///
    /// # Errors
    /// [`IndexError`]. What was taken before stays, and the next update goes on from there.
    pub fn update(&self, log: &SignedLog) -> Result<Updated, IndexError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, terms) = &mut *writing;
        let anew = build::update(connection, terms, log)?;
        let built = build::built(connection)?.unwrap_or(Built {
            origin: log.checkpoint().origin.clone(),
            size: 0,
            root: Hash::of_nothing(),
        });
        Ok(Updated { built, anew })
    }

    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
