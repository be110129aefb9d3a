//! Verifying a log with nothing but its files and the public key.

#[cfg(test)]
mod damage;
mod grants;
mod lifecycle;
mod own;
mod parts;
mod reading;
mod remembered;
mod seen;
mod torn;

use std::path::{Path, PathBuf};

use approvals_core::Timestamp;

use self::parts::Part;
use self::reading::{Reading, Said};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::{Directory, LogError};
use crate::note::VerifierKey;
use crate::witness::WitnessError;

/// What is verified, and with which keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    path: PathBuf,
    keys: Vec<VerifierKey>,
    remembered: Vec<Checkpoint>,
    witnesses: Vec<VerifierKey>,
    most_open: usize,
}

/// How much is followed in one reading: requests that are open at one time, what they grant, and
/// every second of their votes. By the sizes of what is kept of each that is well below 64 MiB.
const MOST_OPEN: usize = 200_000;

/// A log that is as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was verified.
    pub checkpoint: Checkpoint,
    /// The checkpoint as it is signed: to be remembered until the next time.
    pub note: Vec<u8>,
    /// How many entries the log has.
    pub entries: u64,
    /// How many entries, from the first, it had when the witnesses signed that were named.
    pub witnessed: Option<u64>,
    /// The time of the first and of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many requests were not over at its end.
    pub open_requests: usize,
    /// Events too long for an entry whose text is no longer in the directory. That is allowed:
    /// texts may be destroyed, and the log still says that they were.
    pub payloads_missing: u64,
    /// Requests of which what reviewers were shown does not lie beside the log, or was changed.
    /// Those with sensitive values are not counted.
    pub presentations_missing: u64,
    /// Whether full bundles lie past the checkpoint. A copy that was made while the log grew has
    /// them; where its writer keeps it, the checkpoint was set back.
    pub has_more: bool,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry}{}: {why}", number.map(|n| format!(" (event {n})")).unwrap_or_default())]
pub struct Finding {
    /// At which entry, counted from 0.
    pub entry: u64,
    /// The event's number, where it could be read.
    pub number: Option<u64>,
    /// What is wrong.
    pub why: String,
}

/// A log is not as it was signed, or that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something is wrong.
    #[error(transparent)]
    Found(#[from] Finding),
    /// The checkpoint is not signed by the key, or it is another log's.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint that witnesses signed is not signed by the log, or not by all of them.
    #[error("the checkpoint that witnesses signed, `checkpoint.witnessed`: {0}")]
    Witnessed(CheckpointError),
    /// There is none.
    #[error("no witness has signed the log: `checkpoint.witnessed` is not there")]
    Unwitnessed,
    /// The files cannot be read.
    #[error(transparent)]
    Unreadable(LogError),
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Damaged { entry, why, .. } => Self::Found(Finding {
                entry,
                number: None,
                why: why.to_owned(),
            }),
            LogError::Checkpoint { error, .. } => Self::Checkpoint(error),
            other => Self::Unreadable(other),
        }
    }
}

impl Verifier {
    /// Of a log's directory, signed by one of these keys.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            keys: keys.into_iter().collect(),
            remembered: Vec::new(),
            witnesses: Vec::new(),
            most_open: MOST_OPEN,
        }
    }

    /// Follows so many requests in one reading that are open at one time, instead of 200,000. Where
    /// a log has more, it is read once for each part of them, so that memory stays bounded. Memory
    /// is taken for those that there are.
    #[must_use]
    pub const fn following(mut self, requests: usize) -> Self {
        self.most_open = requests;
        self
    }

    /// A checkpoint that was seen before: the log must still begin with it. Only this shows that a
    /// log's end was cut off, or that whoever has the key wrote another one.
    #[must_use]
    pub fn remembering(mut self, checkpoint: Checkpoint) -> Self {
        self.remembered.push(checkpoint);
        self
    }

    /// This witness has to have signed a checkpoint that lies beside the log, which still begins
    /// with it: whoever has the log's key, and nobody else's, cannot have rewritten what is before.
    ///
    /// # Errors
    /// [`WitnessError::Kind`] when the key is one that a log signs with.
    pub fn witnessed_by(mut self, witness: VerifierKey) -> Result<Self, WitnessError> {
        if !witness.is_witness() {
            return Err(WitnessError::Kind(witness.to_string()));
        }
        self.witnesses.push(witness);
        Ok(self)
    }

    /// Reads the whole log, and names the first thing that is wrong. It is read once, and only where
    /// more requests are open at one time than are [followed](Self::following), once for each part
    /// of them.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn run(&self) -> Result<Report, VerifyError> {
        let directory = Directory::at(&self.path);
        // Before the log's own, which may grow meanwhile.
        let witnessed = self.witnessed(&directory)?;
        let note = directory.note()?;
        let checkpoint = Checkpoint::verified(&note, &self.keys)?;
        let size = checkpoint.size;
        let witnessed_to = witnessed.as_ref().map(|seen| seen.size);
        let mut all = self.clone();
        all.remembered.extend(witnessed);
        all.remembers(&checkpoint)?;
        let own = all.signed_before(&directory, &checkpoint)?;
        let mut parts = vec![Part::all()];
        let mut first: Option<Finding> = None;
        let mut said = Said::default();
        while let Some(part) = parts.pop() {
            let until = first.as_ref().map(|finding| finding.entry);
            let mut reading = Reading::new(&all, &directory, size, own.clone(), part);
            match reading.all(checkpoint.root, until) {
                Ok(()) => {}
                // What another part finds may come before it.
                Err(VerifyError::Found(finding)) => {
                    if until.is_none_or(|until| finding.entry < until) {
                        first = Some(finding);
                    }
                }
                Err(error) => return Err(error),
            }
            parts.extend(said.take(reading));
        }
        if let Some(finding) = first {
            return Err(finding.into());
        }
        Ok(Report {
            entries: size,
            witnessed: witnessed_to,
            span: said.span,
            open_requests: said.open_requests,
            payloads_missing: said.payloads_missing,
            presentations_missing: said.presentations_missing,
            has_more: directory.has_more(size),
            checkpoint,
            note,
        })
    }
}

fn found(entry: u64, number: Option<u64>, why: impl Into<String>) -> Finding {
    Finding {
        entry,
        number,
        why: why.into(),
    }
}
