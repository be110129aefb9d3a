//! Exports: the trail in forms that other systems read, from where the last export ended.
//!
//! Every event is delivered at least once, under an id that stays the same. Only events that the
//! signed checkpoint covers leave.
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
//! use approvals_audit::export::{Export, FileDestination, Format};
//!
//! let mut siem = FileDestination::append_to(somewhere.path().join("siem.jsonl"));
//! let exported = Export::of(&path, [public], Format::Ocsf)
//!     .cursor(somewhere.path().join("siem.cursor"))
//!     .run(&mut siem)
//!     .await?;
//! assert_eq!(exported.delivered, 0);
//! # Ok(())
//! # }
//! ```

pub(crate) mod account;
mod cloud_events;
mod csv;
mod cursor;
mod dead_letters;
mod destination;
mod error;
mod format;
mod http;
#[cfg(feature = "https")]
mod https;
mod ocsf;
mod reader;
mod tell;

use std::path::{Path, PathBuf};

use self::cursor::Cursor;
use self::dead_letters::DeadLetters;
pub use self::destination::{Destination, FileDestination, Refused, WriterDestination};
pub use self::error::{DeliveryError, ExportError};
pub use self::format::{Batch, Format, Item};
pub use self::http::{Answer, HttpDestination, Patience, Transport, TransportError};
#[cfg(feature = "https")]
pub use self::https::HttpsTransport;
use self::reader::Reader;
#[cfg(feature = "https")]
pub use crate::endpoint::EndpointError;
use crate::note::VerifierKey;
use crate::reading::SignedLog;

/// How many events refused for good one run sets aside before it takes the receiver to be wrong.
const MOST_REFUSED: u64 = 100;

/// What is exported, and as what.
#[derive(Debug, Clone)]
pub struct Export {
    path: PathBuf,
    keys: Vec<VerifierKey>,
    format: Format,
    cursor: Option<PathBuf>,
    dead_letters: Option<PathBuf>,
    events: usize,
    bytes: usize,
    most_refused: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Events that the receiver has.
    pub delivered: u64,
    /// Events that it refused for good, which are in the dead-letter file.
    pub refused: u64,
    /// The first entry that was not exported: where the next run begins.
    pub next: u64,
}

impl Export {
    /// Of the log in this directory, signed by one of these keys.
    #[must_use]
    pub fn of(
        path: impl AsRef<Path>,
        keys: impl IntoIterator<Item = VerifierKey>,
        format: Format,
    ) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            keys: keys.into_iter().collect(),
            format,
            cursor: None,
            dead_letters: None,
            events: 500,
            bytes: 1 << 20,
            most_refused: MOST_REFUSED,
        }
    }

    /// Goes on where the last run with this file ended. Without one everything is exported. The file
    /// is replaced after each batch that was acknowledged.
    #[must_use]
    pub fn cursor(mut self, path: impl AsRef<Path>) -> Self {
        self.cursor = Some(path.as_ref().to_owned());
        self
    }

    /// Where events go that the receiver refuses for good, with its reason. Without such a file a
    /// run ends at the first of them.
    #[must_use]
    pub fn dead_letters(mut self, path: impl AsRef<Path>) -> Self {
        self.dead_letters = Some(path.as_ref().to_owned());
        self
    }

    /// How many events one run sets aside before it ends with an error, instead of setting the whole
    /// log aside because a receiver is set up wrongly: 100.
    #[must_use]
    pub const fn refused_at_most(mut self, events: u64) -> Self {
        self.most_refused = events;
        self
    }

    /// How many events, and how many bytes of them, are delivered at a time: at most 500, and a
    /// mebibyte. A longer event goes alone.
    #[must_use]
    pub const fn batches_of(mut self, events: usize, bytes: usize) -> Self {
        self.events = if events == 0 { 1 } else { events };
        self.bytes = bytes;
        self
    }

    /// Delivers everything up to the log's present checkpoint.
    ///
    /// # Errors
    /// [`ExportError`]. What was delivered before is noted in the cursor's file; the rest is
    /// delivered by the next run, possibly with events that the receiver has already.
    pub async fn run(&self, to: &mut dyn Destination) -> Result<Exported, ExportError> {
        let this = self.clone();
        let (log, mut cursor) = off_thread(move || {
            let log = SignedLog::open(&this.path, &this.keys)?;
            let cursor = this.cursor.as_deref();
            let cursor = cursor.map(|path| Cursor::open(path, this.format, &log));
            Ok((log, cursor.transpose()?))
        })
        .await?;
        let from = cursor.as_ref().map_or(0, Cursor::next);
        let mut reader = Reader::new(log, self.format, from);
        let mut exported = Exported {
            delivered: 0,
            refused: 0,
            next: from,
        };
        loop {
            let (events, bytes) = (self.events, self.bytes);
            let batch;
            (reader, batch) = off_thread(move || {
                let batch = reader.batch(events, bytes)?;
                Ok((reader, batch))
            })
            .await?;
            if reader.next() == exported.next {
                return Ok(exported);
            }
            let refused = if batch.items.is_empty() {
                Vec::new()
            } else {
                to.deliver(&batch).await?
            };
            let set_aside = refused.len() as u64;
            let most = self.most_refused;
            if exported.refused + set_aside > most {
                let why = refused.into_iter().next().map(|refused| refused.why);
                return Err(ExportError::TooManyRefused {
                    most,
                    why: why.unwrap_or_default(),
                });
            }
            let letters = self.dead_letters.clone();
            let noted;
            (reader, noted) = off_thread(move || {
                DeadLetters::at(letters).put(reader.log(), &refused)?;
                // Only now: the receiver, or the file, has everything before it.
                if let Some(cursor) = &mut cursor {
                    cursor.advance(reader.next(), reader.log())?;
                }
                Ok((reader, cursor))
            })
            .await?;
            cursor = noted;
            exported.delivered += batch.items.len() as u64 - set_aside;
            exported.refused += set_aside;
            exported.next = reader.next();
        }
    }
}

/// Does what waits for a disk where that holds nobody up.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExportError> + Send + 'static,
) -> Result<T, ExportError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ExportError::Interrupted(error.to_string())))
}
