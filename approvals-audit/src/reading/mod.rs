//! Reading a log so that nothing is believed that its signed checkpoint does not cover.

mod context;
mod recorded;

use std::path::Path;

use approvals_core::Timestamp;
use serde::Deserialize;

pub(crate) use self::context::{Context, Contexts};
pub use self::recorded::{Recorded, Told};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::{AsOf, Directory, LogError};
use crate::note::VerifierKey;
use crate::proof::EntryProof;
use crate::tile::{Entries, WIDTH};
#[cfg(feature = "index")]
use crate::tree::root_of;
use crate::tree::{
    Frontier, Hash, Nodes, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};

/// A log as it was when its checkpoint was signed. It may go on being written meanwhile.
#[derive(Debug)]
pub struct SignedLog {
    directory: Directory,
    note: String,
    checkpoint: Checkpoint,
}

/// The entries of one bundle, which are those that the checkpoint was signed over.
#[derive(Debug)]
pub(crate) struct Bundle {
    first: u64,
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
}

/// An entry that the checkpoint was signed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
    pub(crate) bytes: &'a [u8],
}

impl Bundle {
    pub(crate) fn entries(&self) -> impl Iterator<Item = Raw<'_>> {
        let entries = Entries::of(&self.bytes).zip(&self.leaves);
        (self.first..)
            .zip(entries)
            .map(|(index, (bytes, leaf))| Raw {
                index,
                leaf: *leaf,
                bytes,
            })
    }
}

impl SignedLog {
    /// The log in this directory, signed by one of these keys.
    ///
    /// # Errors
    /// [`LogError`] when there is no checkpoint that one of them signed.
    pub fn open(path: impl AsRef<Path>, keys: &[VerifierKey]) -> Result<Self, LogError> {
        let directory = Directory::at(path);
        let note = directory.note()?;
        Self::under(directory, note, keys)
    }

    /// The log as it was under an earlier checkpoint of it, signed by one of these keys.
    ///
    /// # Errors
    /// [`LogError`] when none of them signed it. Whether it is one of this log's shows when entries
    /// are read.
    pub fn as_of(
        path: impl AsRef<Path>,
        checkpoint: &str,
        keys: &[VerifierKey],
    ) -> Result<Self, LogError> {
        Self::under(Directory::at(path), checkpoint.into(), keys)
    }

    fn under(directory: Directory, note: Vec<u8>, keys: &[VerifierKey]) -> Result<Self, LogError> {
        let of_log = |error| LogError::Checkpoint {
            path: directory.path().to_owned(),
            error,
        };
        let checkpoint = Checkpoint::verified(&note, keys).map_err(of_log)?;
        let note = String::from_utf8(note).map_err(|_| of_log(CheckpointError::Malformed))?;
        Ok(Self {
            directory,
            note,
            checkpoint,
        })
    }

    /// What is signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint with its signatures, as it is written.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether the log begins with the one that had this size and this root.
    ///
    /// # Errors
    /// [`LogError`] when its tiles cannot be read.
    pub fn extends(&self, size: u64, root: Hash) -> Result<bool, LogError> {
        let now = (self.checkpoint.size, self.checkpoint.root);
        if size > now.0 {
            return Ok(false);
        }
        let proof = consistency_proof(&self.nodes(), size, now.0)?;
        Ok(verify_consistency((size, root), now, &proof).is_ok())
    }

    /// The entries from this place on, in order. Each is held against the checkpoint before it is
    /// handed out; a bundle is in memory at a time.
    pub fn entries(&self, from: u64) -> impl Iterator<Item = Result<Recorded, LogError>> + '_ {
        self.bundles(from).flat_map(move |bundle| {
            let read = bundle.map(|bundle| {
                let later = bundle.entries().filter(|raw| raw.index >= from);
                later.map(|raw| self.recorded(&raw)).collect::<Vec<_>>()
            });
            read.unwrap_or_else(|error| vec![Err(error)])
        })
    }

    /// One entry, held against the checkpoint.
    ///
    /// # Errors
    /// [`LogError`] when there is none, it cannot be read, or it is not what was signed.
    pub fn entry(&self, index: u64) -> Result<Recorded, LogError> {
        let fewer = || self.directory.damaged(index, "the log has fewer entries");
        if index >= self.checkpoint.size {
            return Err(fewer());
        }
        let bundle = self.bundle(index / WIDTH)?;
        let raw = bundle.entries().find(|raw| raw.index == index);
        self.recorded(&raw.ok_or_else(fewer)?)
    }

    /// What shows anybody with the key that the log has this entry.
    ///
    /// # Errors
    /// [`LogError`] when there is no such entry, or tiles cannot be read.
    pub fn proof(&self, index: u64) -> Result<EntryProof, LogError> {
        let size = self.checkpoint.size;
        if index >= size {
            return Err(self.directory.damaged(index, "the log has fewer entries"));
        }
        Ok(EntryProof {
            index,
            hashes: inclusion_proof(&self.nodes(), index, size)?,
            checkpoint: self.note.clone(),
        })
    }

    /// The first place from which on no entry is of an earlier time than this; at most 255 too early.
    pub(crate) fn about(&self, time: Timestamp) -> Result<u64, LogError> {
        #[derive(Deserialize)]
        struct Dated {
            at: Timestamp,
        }
        let (mut from, mut to) = (0, self.checkpoint.size.div_ceil(WIDTH));
        // The last bundle that begins before that time.
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            // Held against the checkpoint, or whoever changes a time has entries passed over.
            let bundle = self.bundle(middle)?;
            let first = bundle.entries().next().map(|raw| raw.bytes);
            let dated: Dated = serde_json::from_slice(first.unwrap_or_default())
                .map_err(|_| self.no_event(middle * WIDTH))?;
            if dated.at < time {
                from = middle;
            } else {
                to = middle;
            }
        }
        Ok(from * WIDTH)
    }

    /// The bundles from the one that has this entry on.
    pub(crate) fn bundles(&self, from: u64) -> impl Iterator<Item = Result<Bundle, LogError>> + '_ {
        let all = from / WIDTH..self.checkpoint.size.div_ceil(WIDTH);
        all.map(|index| self.bundle(index))
    }

    fn bundle(&self, index: u64) -> Result<Bundle, LogError> {
        let Checkpoint { size, root, .. } = self.checkpoint;
        let bytes = self.directory.bundle(index, size)?;
        let bundle = Bundle {
            first: index * WIDTH,
            leaves: Entries::of(&bytes).map(Hash::of_leaf).collect(),
            bytes,
        };
        // The siblings of the first entry are the hashes of all others, as they were just read.
        let nodes = Within {
            bundle: &bundle,
            beyond: self.nodes(),
        };
        let proof = inclusion_proof(&nodes, bundle.first, size)?;
        let first = bundle.leaves.first().copied();
        let first = first.unwrap_or_else(Hash::of_nothing);
        verify_inclusion(first, bundle.first, size, &proof, root).map_err(|_| {
            let why = "its bundle, or the hashes above it, are not what was signed";
            self.directory.damaged(bundle.first, why)
        })?;
        Ok(bundle)
    }

    /// These entries, in order.
    pub(crate) fn chosen<'a>(
        &'a self,
        places: impl IntoIterator<Item = u64> + 'a,
    ) -> impl Iterator<Item = Result<Recorded, LogError>> + 'a {
        let mut held: Option<Bundle> = None;
        places.into_iter().map(move |index| {
            if held
                .as_ref()
                .is_none_or(|bundle| bundle.first != index / WIDTH * WIDTH)
            {
                held = Some(self.bundle(index / WIDTH)?);
            }
            let raw = held
                .iter()
                .flat_map(Bundle::entries)
                .find(|raw| raw.index == index);
            let missing = || self.directory.damaged(index, "the log has fewer entries");
            self.recorded(&raw.ok_or_else(missing)?)
        })
    }

    pub(crate) fn recorded(&self, raw: &Raw<'_>) -> Result<Recorded, LogError> {
        Recorded::read(&self.directory, raw)
    }

    pub(crate) fn no_event(&self, index: u64) -> LogError {
        self.directory.damaged(index, "it is no audit event")
    }

    /// The root over the first so many entries. There are at least as many.
    #[cfg(feature = "index")]
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        root_of(&self.nodes(), size)
    }

    /// What lies beside an entry, if it was not destroyed. It is not held against anything yet.
    #[cfg(feature = "index")]
    pub(crate) fn payload(&self, sha256: &str) -> Result<Option<Vec<u8>>, LogError> {
        self.directory.payload(sha256)
    }

    #[cfg(feature = "index")]
    pub(crate) fn changed_beside(&self, index: u64) -> LogError {
        let why = "the text that lies beside it was changed";
        self.directory.damaged(index, why)
    }

    const fn nodes(&self) -> AsOf<'_> {
        self.directory.as_of(self.checkpoint.size)
    }
}

/// The subtrees of a log, where those of one bundle are made of what was read of it.
struct Within<'a> {
    bundle: &'a Bundle,
    beyond: AsOf<'a>,
}

impl Nodes for Within<'_> {
    type Error = LogError;

    fn node(&self, height: u8, index: u64) -> Result<Hash, LogError> {
        let own = (index << height)
            .checked_sub(self.bundle.first)
            .and_then(|from| usize::try_from(from).ok())
            .and_then(|from| self.bundle.leaves.get(from..from + (1 << height.min(16))));
        match own {
            Some(leaves) if height <= 16 => {
                let mut subtree = Frontier::new();
                leaves.iter().for_each(|leaf| subtree.push(*leaf));
                Ok(subtree.root())
            }
            Some(_) | None => self.beyond.node(height, index),
        }
    }
}
