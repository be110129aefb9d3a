//! Where events go.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use approvals_core::async_trait;

use super::{Batch, DeliveryError, Item};
use crate::durable;

/// A receiver of events.
///
/// It may be offered events again whose delivery it has acknowledged: it tells them by their ids.
///
/// ```
/// use approvals_audit::export::{Batch, DeliveryError, Destination, Refused};
/// use approvals_core::async_trait;
///
/// #[derive(Debug, Default)]
/// struct Kept(Vec<String>);
///
/// #[async_trait]
/// impl Destination for Kept {
///     async fn deliver(&mut self, batch: &Batch) -> Result<Vec<Refused>, DeliveryError> {
///         self.0.extend(batch.items.iter().map(|item| item.line.clone()));
///         Ok(Vec::new())
///     }
/// }
/// ```
#[async_trait]
pub trait Destination: fmt::Debug + Send {
    /// Delivers events, and returns when they cannot be lost any more: all of them, but those that it
    /// says the receiver will never take.
    ///
    /// # Errors
    /// [`DeliveryError`] when any of the others may not have arrived. All are delivered again.
    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<Refused>, DeliveryError>;
}

const _: fn(&dyn Destination) = |_| {};

/// An event that its receiver will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub item: Item,
    /// What the receiver said.
    pub why: String,
}

/// Appends to a file, a line for each event.
///
/// What a crash left of a line is removed before anything is appended.
#[derive(Debug)]
pub struct FileDestination {
    path: PathBuf,
}

impl FileDestination {
    /// To this file, which is made when it is not there.
    #[must_use]
    pub fn append_to(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
        }
    }
}

#[async_trait]
impl Destination for FileDestination {
    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<Refused>, DeliveryError> {
        let (path, header, lines) = (self.path.clone(), batch.format.header(), batch.lines());
        let what = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || append(&path, header, &lines)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        match written {
            Ok(()) => Ok(Vec::new()),
            Err(error) => Err(DeliveryError::Disk { what, error }),
        }
    }
}

fn append(path: &Path, header: Option<String>, lines: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let length = whole_lines(&mut file)?;
    let mut text = String::new();
    if length == 0
        && let Some(header) = header
    {
        text.push_str(&header);
        text.push('\n');
    }
    text.push_str(lines);
    if let Err(error) = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_data())
    {
        // What arrived of it would be a part of a line. Where this fails too, the next one does it.
        let _ = file.set_len(length);
        return Err(error);
    }
    durable::sync_parent(path)
}

/// Cuts off what follows the last end of a line, and returns how long the file is then.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let length = file.seek(SeekFrom::End(0))?;
    let mut to = length;
    while to > 0 {
        let from = to.saturating_sub(STEP);
        file.seek(SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        io::Read::by_ref(file)
            .take(to - from)
            .read_to_end(&mut piece)?;
        if let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') {
            to = from + last as u64 + 1;
            break;
        }
        to = from;
    }
    if to < length {
        file.set_len(to)?;
    }
    Ok(to)
}

/// Writes to anything that can be written to, such as standard output: a line for each event.
/// Delivered means written and flushed, whatever reads at the other end.
pub struct WriterDestination<W> {
    writer: Option<W>,
    begun: bool,
}

impl<W> fmt::Debug for WriterDestination<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterDestination").finish_non_exhaustive()
    }
}

impl WriterDestination<io::Stdout> {
    /// Standard output.
    #[must_use]
    pub fn standard_output() -> Self {
        Self::to(io::stdout())
    }
}

impl<W: Write + Send + 'static> WriterDestination<W> {
    /// Anything.
    #[must_use]
    pub const fn to(writer: W) -> Self {
        Self {
            writer: Some(writer),
            begun: false,
        }
    }

    /// What was written to, unless writing to it was interrupted.
    #[must_use]
    pub fn into_inner(self) -> Option<W> {
        self.writer
    }
}

#[async_trait]
impl<W: Write + Send + 'static> Destination for WriterDestination<W> {
    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<Refused>, DeliveryError> {
        let failed = |error| DeliveryError::Disk {
            what: "the output".to_owned(),
            error,
        };
        let lost = || failed(io::Error::other("writing to it was interrupted"));
        let mut writer = self.writer.take().ok_or_else(lost)?;
        let mut text = String::new();
        if let Some(header) = batch.format.header().filter(|_| !self.begun) {
            text.push_str(&header);
            text.push('\n');
        }
        text.push_str(&batch.lines());
        let (writer, written) = tokio::task::spawn_blocking(move || {
            let written = writer
                .write_all(text.as_bytes())
                .and_then(|()| writer.flush());
            (writer, written)
        })
        .await
        .map_err(|error| failed(io::Error::other(error)))?;
        self.writer = Some(writer);
        written.map_err(failed)?;
        self.begun = true;
        Ok(Vec::new())
    }
}
