//! The end of a log: all that appending to it needs.

use crate::tile::{self, HEIGHT, Tile, WIDTH};
use crate::tree::{Frontier, Hash};

/// What a log ends with.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    frontier: Frontier,
    /// The hashes of each level's last tile, while it is not full.
    edge: Vec<Vec<Hash>>,
    /// The entries of the last bundle, while it is not full.
    bundle: Vec<u8>,
}

/// A tile of hashes that became full, with its bytes.
pub(super) type Full = (Tile, Vec<u8>);

impl Tail {
    pub(super) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The number of the bundle that the next entry belongs to.
    pub(super) const fn bundle(&self) -> u64 {
        self.size() / WIDTH
    }

    /// Appends whole tiles of a level, as they were read: from the highest level down.
    pub(super) fn push_hashes(&mut self, level: u8, hashes: &[Hash]) -> bool {
        while self.edge.len() <= level.into() {
            self.edge.push(Vec::new());
        }
        let pushed = hashes
            .iter()
            .all(|hash| self.frontier.push_subtree(level * HEIGHT, *hash));
        if let Some(edge) = self.edge.get_mut(usize::from(level)) {
            edge.extend_from_slice(hashes);
        }
        pushed
    }

    /// Appends an entry, and returns the tiles of hashes that it made full. `None`, and nothing
    /// appended, when it is too long.
    pub(super) fn push(&mut self, entry: &[u8]) -> Option<Vec<Full>> {
        self.push_hashed(entry, Hash::of_leaf(entry))
    }

    /// The same, of an entry whose hash is known.
    pub(super) fn push_hashed(&mut self, entry: &[u8], mut hash: Hash) -> Option<Vec<Full>> {
        if !tile::append(&mut self.bundle, entry) {
            return None;
        }
        self.frontier.push(hash);
        if self.size().is_multiple_of(WIDTH) {
            self.bundle.clear();
        }
        let mut full = Vec::new();
        for level in 0_u8.. {
            if self.edge.len() <= level.into() {
                self.edge.push(Vec::new());
            }
            let Some(edge) = self.edge.get_mut(usize::from(level)) else {
                break;
            };
            edge.push(hash);
            if (edge.len() as u64) < WIDTH {
                break;
            }
            let hashes = std::mem::take(edge);
            let mut subtree = Frontier::new();
            for hash in &hashes {
                subtree.push(*hash);
            }
            hash = subtree.root();
            let index = Tile::count(level, self.size()) / WIDTH - 1;
            full.push((Tile::hashes(level, index), bytes_of(&hashes)));
        }
        Some(full)
    }

    /// What the log ends with, as far as it is not full: the bundle, and the hashes of each level.
    pub(super) fn partial(&self) -> Vec<(Tile, Vec<u8>)> {
        let size = self.size();
        let mut shown = Vec::new();
        if !self.bundle.is_empty() {
            shown.push((Tile::with(None, size - 1, size), self.bundle.clone()));
        }
        for (level, hashes) in (0_u8..).zip(&self.edge) {
            if !hashes.is_empty() {
                let last = Tile::count(level, size) - 1;
                shown.push((Tile::with(Some(level), last, size), bytes_of(hashes)));
            }
        }
        shown
    }
}

fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}
