//! Parts of a log's requests: where more are open at one time than memory is taken for, the log is
//! read once for each part.

use std::hash::{BuildHasher as _, RandomState};

use approvals_core::RequestId;

/// How often what is followed is halved at most: beyond that many readings nobody waits.
const MOST_HALVINGS: u32 = 16;

/// The requests whose hashes end in these bits.
#[derive(Debug, Clone)]
pub(super) struct Part {
    bits: u32,
    ending: u64,
    /// Keyed at random, so that nobody can choose ids that all fall into one part.
    hasher: RandomState,
}

impl Part {
    /// All requests.
    pub(super) fn all() -> Self {
        Self {
            bits: 0,
            ending: 0,
            hasher: RandomState::new(),
        }
    }

    /// Whether it is all of them.
    pub(super) const fn is_all(&self) -> bool {
        self.bits == 0
    }

    pub(super) fn has(&self, request: &RequestId) -> bool {
        self.is_all() || self.hasher.hash_one(request) & ((1 << self.bits) - 1) == self.ending
    }

    /// Both halves; none where it is too small already.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        if self.bits >= MOST_HALVINGS {
            return None;
        }
        let half = |bit: u64| Self {
            bits: self.bits + 1,
            ending: self.ending | (bit << self.bits),
            hasher: self.hasher.clone(),
        };
        Some((half(0), half(1)))
    }
}
