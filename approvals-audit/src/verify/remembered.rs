//! What was seen of a log before, by whoever verifies it and by witnesses.

use super::{Verifier, VerifyError, found};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::Directory;
use crate::note::Note;
use crate::tree::Hash;

impl Verifier {
    /// The last checkpoint beside the log, which every witness that was named has to have signed.
    pub(super) fn witnessed(
        &self,
        directory: &Directory,
    ) -> Result<Option<Checkpoint>, VerifyError> {
        if self.witnesses.is_empty() {
            return Ok(None);
        }
        let bytes = directory.witnessed()?.ok_or(VerifyError::Unwitnessed)?;
        let checkpoint = Checkpoint::verified(&bytes, &self.keys);
        let checkpoint = checkpoint.map_err(VerifyError::Witnessed)?;
        let unsigned = |error| VerifyError::Witnessed(CheckpointError::Note(error));
        let note = Note::parse(&bytes).map_err(unsigned)?;
        for witness in &self.witnesses {
            note.verify(std::slice::from_ref(witness))
                .map_err(unsigned)?;
        }
        Ok(Some(checkpoint))
    }

    /// Holds a checkpoint against those that are remembered, as far as it alone tells.
    pub(super) fn remembers(&self, checkpoint: &Checkpoint) -> Result<(), VerifyError> {
        let size = checkpoint.size;
        for known in &self.remembered {
            if known.origin != checkpoint.origin {
                return Err(CheckpointError::Origin {
                    found: checkpoint.origin.clone(),
                    expected: known.origin.clone(),
                }
                .into());
            }
            if known.size > size {
                let why = format!(
                    "the log was cut off here: it had {} entries once",
                    known.size
                );
                return Err(found(size, None, why).into());
            }
        }
        if let Some(known) = self.remembered.iter().find(|known| known.size == 0)
            && known.root != Hash::of_nothing()
        {
            return Err(CheckpointError::Malformed.into());
        }
        Ok(())
    }
}
