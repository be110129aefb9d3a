//! `tlog-proof` files: one entry, shown to be in the log by a file and a public key.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::{Directory, LogError};
use crate::note::VerifierKey;
use crate::tree::{Hash, ProofError, inclusion_proof, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest proof of a 64-bit tree.
const MOST_HASHES: usize = 63;

/// That an entry is in a log: its place, its siblings, and the signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// The entry's place, counted from 0.
    pub index: u64,
    /// Its siblings, from the leaf upward.
    pub hashes: Vec<Hash>,
    /// The checkpoint, as it is signed.
    pub checkpoint: String,
}

/// A file is no proof of the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProofError {
    /// It is not written as a proof.
    #[error("it is no proof file: {0}")]
    Malformed(&'static str),
    /// Its checkpoint is not signed by a known key.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// It does not lead from the entry to the checkpoint.
    #[error("the entry is not in the log at this place: {0}")]
    Proof(#[from] ProofError),
}

impl EntryProof {
    /// Of an entry of a log, as its checkpoint is now.
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be read, or has no such entry.
    pub fn of(directory: &Directory, index: u64, keys: &[VerifierKey]) -> Result<Self, LogError> {
        Self::under(directory, index, directory.note()?, keys)
    }

    /// The same under another checkpoint of the log, such as [`Directory::witnessed`].
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be read, or had no such entry then.
    pub fn under(
        directory: &Directory,
        index: u64,
        note: Vec<u8>,
        keys: &[VerifierKey],
    ) -> Result<Self, LogError> {
        let of_log = |error| LogError::Checkpoint {
            path: directory.path().to_owned(),
            error,
        };
        let size = Checkpoint::verified(&note, keys).map_err(of_log)?.size;
        if index >= size {
            return Err(directory.damaged(index, "the log has fewer entries"));
        }
        let text = String::from_utf8(note);
        Ok(Self {
            index,
            hashes: inclusion_proof(&directory.as_of(size), index, size)?,
            checkpoint: text.map_err(|_| of_log(CheckpointError::Malformed))?,
        })
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// [`EntryProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, EntryProofError> {
        let malformed = |why| EntryProofError::Malformed(why);
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no empty line stands before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.filter(|digits| *digits == "0" || !digits.starts_with(['0', '+']));
        let index = index
            .and_then(|digits| digits.parse().ok())
            .ok_or(malformed("no line says which entry it is of"))?;
        let hashes: Option<Vec<Hash>> = lines.map(Hash::parse).collect();
        let hashes = hashes.ok_or(malformed("a line is no hash"))?;
        if hashes.len() > MOST_HASHES {
            return Err(malformed("it has more hashes than any proof"));
        }
        Ok(Self {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Verifies that the log of one of these keys has exactly this entry at this place, and returns
    /// the checkpoint that says so.
    ///
    /// # Errors
    /// [`EntryProofError`].
    pub fn verify(
        &self,
        entry: &[u8],
        keys: &[VerifierKey],
    ) -> Result<Checkpoint, EntryProofError> {
        let checkpoint = Checkpoint::verified(self.checkpoint.as_bytes(), keys)?;
        let leaf = Hash::of_leaf(entry);
        let Checkpoint { size, root, .. } = checkpoint;
        verify_inclusion(leaf, self.index, size, &self.hashes, root)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for EntryProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
