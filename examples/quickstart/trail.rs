//! An audit sink of one's own: one JSON object a line, in a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use approvals_core::{AuditError, AuditSink, Event, What, async_trait};

use super::Error;

/// Appends events to a file. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    path: PathBuf,
    file: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    file: File,
    /// The number of the last event that is in the file.
    last: u64,
}

impl Trail {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let lines = Lines {
            file: File::create_new(path)?,
            last: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(Mutex::new(lines)),
        })
    }

    /// Reads the file again and says in a line what each event was.
    pub(crate) fn print(&self) -> Result<(), Error> {
        for line in BufReader::new(File::open(&self.path)?).lines() {
            let event: Event = serde_json::from_str(&line?)?;
            println!("  {:>2}  {}", event.number, describe(&event.what)?);
        }
        Ok(())
    }
}

impl Lines {
    fn append(&mut self, events: &[Event]) -> std::io::Result<()> {
        let mut text = Vec::new();
        // Events may be offered again: what is in the file already is not written twice.
        let new = events.iter().filter(|event| event.number > self.last);
        for event in new {
            serde_json::to_writer(&mut text, event)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        // Acknowledged means that it cannot be lost any more.
        self.file.sync_data()?;
        self.last = events
            .last()
            .map_or(self.last, |event| self.last.max(event.number));
        Ok(())
    }
}

#[async_trait]
impl AuditSink for Trail {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.append(events)
            .map_err(|error| AuditError(error.to_string()))
    }
}

/// One event in a few words.
fn describe(what: &What) -> Result<String, Error> {
    Ok(match what {
        What::Allowed {
            action, reasons, ..
        } => format!("allowed    {action}: {reasons}"),
        What::Refused { action, why, .. } => format!("refused    {action}: {why}"),
        What::Requested { asked } => {
            format!("requested  {}: {}", asked.call.action(), asked.reasons)
        }
        What::Voted { vote, .. } => {
            format!("voted      {}: {:?}", vote.person, vote.choice).to_lowercase()
        }
        What::VoteRefused { identity, why, .. } => format!("not voted  {identity}: {why}"),
        What::Denied { by, .. } => format!("denied     by {by}"),
        What::Finished {
            succeeded: true, ..
        } => "finished   well".to_owned(),
        What::Finished {
            succeeded: false, ..
        } => "finished   with an error".to_owned(),
        // Every event names itself; the file has all of it.
        other => match serde_json::to_value(other)?.get("what") {
            Some(serde_json::Value::String(name)) => name.clone(),
            _ => format!("{other:?}"),
        },
    })
}
