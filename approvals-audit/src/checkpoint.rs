//! Checkpoints: which log, how many entries, and the root over all of them.

use crate::note::{Note, NoteError, VerifierKey};
use crate::tree::Hash;

/// The most entries that a log can have: other implementations count them in signed numbers.
const LARGEST: u64 = i64::MAX as u64;

/// What a log says about itself, and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: like a URL without its scheme, such as `example.com/approvals`.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A text is no checkpoint, or none of this log's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not signed as it has to be.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is not written as one.
    #[error("it is no checkpoint: its lines are an origin, a size and a root")]
    Malformed,
    /// It is another log's.
    #[error("it is a checkpoint of `{found}`, not of `{expected}`")]
    Origin {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a checkpoint's text. Lines after the third are of others and ignored.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(_)) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed);
        };
        let decimal = size == "0" || !size.starts_with(['0', '+']);
        let number = size.parse().ok().filter(|size| *size <= LARGEST);
        let (Some(number), Some(root), true) = (number, Hash::parse(root), decimal) else {
            return Err(CheckpointError::Malformed);
        };
        if origin.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root,
        })
    }

    /// Reads a checkpoint that one of these keys signed. A log signs under its own name: the key of
    /// another log, or of a witness, makes none of its checkpoints.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verified(note: &[u8], keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let signed = note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        match signed.first() {
            Some(first)
                if signed
                    .iter()
                    .all(|key| key.is_witness() || key.name() != checkpoint.origin) =>
            {
                Err(CheckpointError::Origin {
                    found: checkpoint.origin,
                    expected: first.name().to_owned(),
                })
            }
            _ => Ok(checkpoint),
        }
    }

    /// The same, of this log.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn of(origin: &str, note: &[u8], keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint = Self::verified(note, keys)?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin,
                expected: origin.to_owned(),
            });
        }
        Ok(checkpoint)
    }
}
