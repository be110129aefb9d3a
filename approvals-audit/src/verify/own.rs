//! What a log has signed besides its last checkpoint, and still has.

use super::{Verifier, VerifyError, found};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::Directory;

impl Verifier {
    /// What else the log has signed up to this checkpoint, and still has: the published checkpoint,
    /// and those that were acknowledged since. They say more precisely where something was changed.
    pub(super) fn signed_before(
        &self,
        directory: &Directory,
        last: &Checkpoint,
    ) -> Result<Vec<Checkpoint>, VerifyError> {
        let verified = |note: &Vec<u8>| {
            let checkpoint = Checkpoint::verified(note, &self.keys)?;
            if checkpoint.origin == last.origin {
                return Ok(checkpoint);
            }
            Err(VerifyError::from(CheckpointError::Origin {
                found: checkpoint.origin,
                expected: last.origin.clone(),
            }))
        };
        let head = directory.head()?;
        let mut before = head.iter().map(verified).collect::<Result<Vec<_>, _>>()?;
        if let Some(pair) = before.windows(2).find(|pair| !in_order(pair)) {
            let size = pair.first().map_or(0, |known| known.size);
            let why = "the checkpoints of its head are not in their order: they were changed";
            return Err(found(size, None, why).into());
        }
        before.push(verified(&directory.published()?)?);
        // The log may go on being written meanwhile.
        before.retain(|known| known.size <= last.size && known != last);
        Ok(before)
    }
}

fn in_order(checkpoints: &[Checkpoint]) -> bool {
    checkpoints.is_sorted_by(|one, next| one.size < next.size)
}
