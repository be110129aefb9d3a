//! The right edge of a tree: all that appending and the root need.

use super::Hash;

/// The roots of the perfect subtrees that a tree is made of, the largest first: one for each bit of
/// its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    /// With their heights, which decrease strictly.
    subtrees: Vec<(u8, Hash)>,
    size: u64,
}

impl Frontier {
    /// Of a tree without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subtrees: Vec::new(),
            size: 0,
        }
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one entry's hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Appends a perfect subtree of `2^height` entries. The size so far has to be a multiple of
    /// that, or the result is no tree of RFC 6962; then it is not appended and `false` returned.
    pub fn push_subtree(&mut self, height: u8, root: Hash) -> bool {
        let Some(leaves) = 1_u64.checked_shl(height.into()) else {
            return false;
        };
        let Some(size) = self.size.checked_add(leaves) else {
            return false;
        };
        if self.size & (leaves - 1) != 0 {
            return false;
        }
        let (mut height, mut root) = (height, root);
        while let Some((_, left)) = self.subtrees.pop_if(|(other, _)| *other == height) {
            root = Hash::of_node(&left, &root);
            height += 1;
        }
        self.subtrees.push((height, root));
        self.size = size;
        true
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev().map(|(_, root)| *root);
        let Some(last) = from_the_right.next() else {
            return Hash::of_nothing();
        };
        from_the_right.fold(last, |right, left| Hash::of_node(&left, &right))
    }
}
