//! What the store knows of a log: how far it is, noted before the log says so itself.

use std::sync::Arc;

use approvals_core::{RequestStore, SinkId};
use tokio::runtime::Handle;

use super::LogError;
use super::writer::Reached;
use crate::tree::Hash;

/// Who may go on with a log, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// Grows with every opening: whoever has an older one writes no more.
    pub(super) fence: u64,
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl Seal {
    pub(super) const fn reached(&self) -> Reached {
        (self.size, self.root)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let seal = Self {
            fence: parts.next()?.parse().ok()?,
            size: parts.next()?.parse().ok()?,
            root: Hash::parse(parts.next()?)?,
        };
        parts.next().is_none().then_some(seal)
    }
}

impl std::fmt::Display for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.fence, self.size, self.root)
    }
}

/// Where a log's seal is kept.
#[derive(Debug, Clone)]
pub(super) struct Seals {
    pub(super) store: Arc<dyn RequestStore>,
    pub(super) sink: SinkId,
    /// The log has a thread of its own, which waits for the store there.
    pub(super) runtime: Handle,
}

impl Seals {
    pub(super) fn read(&self) -> Result<Option<Seal>, LogError> {
        let text = self.runtime.block_on(self.store.seal(&self.sink))?;
        let seal = text.map(|text| Seal::parse(&text).ok_or(LogError::Seal(text)));
        seal.transpose()
    }

    /// Replaces the seal. Where it is another one by now, somebody else goes on with the log.
    pub(super) fn swap(&self, expected: Option<Seal>, next: Seal) -> Result<(), LogError> {
        let expected = expected.map(|seal| seal.to_string());
        let next = next.to_string();
        let swap = self.store.swap_seal(&self.sink, expected.as_deref(), &next);
        if self.runtime.block_on(swap)? {
            Ok(())
        } else {
            Err(LogError::Overtaken)
        }
    }
}
