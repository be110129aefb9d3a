//! Has checkpoints signed by witnesses, and copied.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{CheckpointSink, Witness, WitnessError};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::{Directory, LogError};
use crate::note::{Note, VerifierKey};
use crate::tree::{Hash, root_of};

/// Shows the checkpoints of a log to whoever remembers them: witnesses, and copies elsewhere.
///
/// The last checkpoint that witnesses have signed lies beside the log as `checkpoint.witnessed`. It
/// needs the log's directory only, so that any process that can write there can do it.
#[derive(Debug)]
pub struct Publisher {
    directory: Directory,
    keys: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    copies: Vec<Arc<dyn CheckpointSink>>,
}

/// What became of one checkpoint.
#[derive(Debug)]
pub struct Published {
    /// Which.
    pub checkpoint: Checkpoint,
    /// How many witnesses have signed it.
    pub witnesses: usize,
    /// What witnesses and copies refused. [`WitnessError::SetBack`], [`WitnessError::Forked`] and
    /// [`LogError::Damaged`] mean that the log is not the one that they have seen.
    pub refused: Vec<WitnessError>,
}

impl Publisher {
    /// Of the log in this directory, which is signed by one of these keys.
    #[must_use]
    pub fn of(path: impl AsRef<Path>, keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        Self {
            directory: Directory::at(path),
            keys: keys.into_iter().collect(),
            witnesses: Vec::new(),
            copies: Vec::new(),
        }
    }

    /// Has this witness sign as well.
    #[must_use]
    pub fn witness(mut self, witness: Witness) -> Self {
        self.witnesses.push(witness);
        self
    }

    /// Copies checkpoints here as well.
    #[must_use]
    pub fn copy_to(mut self, sink: Arc<dyn CheckpointSink>) -> Self {
        self.copies.push(sink);
        self
    }

    /// Shows the checkpoint as it is now to all of them.
    ///
    /// # Errors
    /// [`LogError`] when the log's own checkpoint cannot be read, or what witnesses signed cannot
    /// be kept. What one of them refuses is in what is returned, and keeps no other from it.
    pub async fn once(&self) -> Result<Published, LogError> {
        let mut note = self.note(&self.directory.note()?)?;
        let checkpoint = self.checkpoint(&note)?;
        let mut refused = Vec::new();
        let witnessed = self.directory.witnessed()?;
        let witnessed = witnessed.map(|note| self.note(&note)).transpose()?;
        let signers: Vec<VerifierKey> = self.witnesses.iter().map(|w| w.key().clone()).collect();
        let mut signed = 0;
        for witness in &self.witnesses {
            // What the file says is a guess, which the witness corrects.
            let own = std::slice::from_ref(witness.key());
            let knows = witnessed.as_ref().filter(|note| note.verify(own).is_ok());
            let seen = match knows {
                Some(note) => self.checkpoint(note)?.size,
                None => 0,
            };
            let lines = witness
                .cosign(&self.directory, &note, &checkpoint, seen)
                .await;
            match lines {
                Ok(lines) => {
                    // They were verified.
                    signed += usize::from(note.cosign(&lines, &signers).is_ok());
                }
                Err(error) => refused.push(error),
            }
        }
        if signed > 0 {
            self.directory.keep_witnessed(note.to_string().as_bytes())?;
        }
        let text = note.to_string();
        for copy in &self.copies {
            if let Err(error) = self.copy(copy.as_ref(), &checkpoint, text.as_bytes()).await {
                refused.push(error.into());
            }
        }
        for error in &refused {
            tracing::error!(%error, size = checkpoint.size, "a checkpoint was not witnessed or copied");
        }
        Ok(Published {
            checkpoint,
            witnesses: signed,
            refused,
        })
    }

    /// Does so again and again, so long after each time. What fails is told to the log of the
    /// process and tried again.
    pub async fn every(&self, pause: Duration) -> Infallible {
        loop {
            if let Err(error) = self.once().await {
                tracing::error!(%error, "a checkpoint could not be published");
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Copies a checkpoint, if the log still begins with the one that was copied last.
    async fn copy(
        &self,
        sink: &dyn CheckpointSink,
        checkpoint: &Checkpoint,
        note: &[u8],
    ) -> Result<(), LogError> {
        if let Some(last) = sink.last().await? {
            let last = self.checkpoint(&self.note(&last)?)?;
            if last.size > checkpoint.size {
                let why = "the log was cut off here: a copy of its checkpoint had more entries";
                return Err(self.directory.damaged(checkpoint.size, why));
            }
            let then = if last.size == 0 {
                Hash::of_nothing()
            } else {
                root_of(&self.directory.as_of(checkpoint.size), last.size)?
            };
            if then != last.root {
                let why = "the log is not the one whose checkpoint was copied: it was rewritten";
                return Err(self.directory.damaged(0, why));
            }
        }
        sink.keep(note).await
    }

    fn note(&self, bytes: &[u8]) -> Result<Note, LogError> {
        Note::parse(bytes).map_err(|error| self.wrong(error.into()))
    }

    fn checkpoint(&self, note: &Note) -> Result<Checkpoint, LogError> {
        let checkpoint = Checkpoint::verified(note.to_string().as_bytes(), &self.keys);
        checkpoint.map_err(|error| self.wrong(error))
    }

    fn wrong(&self, error: CheckpointError) -> LogError {
        LogError::Checkpoint {
            path: self.directory.path().to_owned(),
            error,
        }
    }
}
