//! Inclusion and consistency proofs, made from stored subtrees and verified from nothing.

use super::Hash;

/// Where the roots of perfect subtrees are read from.
pub trait Nodes {
    /// Why one cannot be read.
    type Error;

    /// The root of the perfect subtree over the entries `index << height .. (index + 1) << height`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, height: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// A proof does not prove what it is said to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It has more or fewer hashes than one of these sizes has.
    #[error("the proof has {found} hashes where one of this size has {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// There is no such entry, or no such smaller tree.
    #[error("{asked} is not within a tree of {size} entries")]
    Range {
        /// Which entry, or which size.
        asked: u64,
        /// How many entries there are.
        size: u64,
    },
}

/// The largest power of two below `size`, as its exponent. `size` is at least 2.
const fn split(size: u64) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an exponent of a 64-bit number is below 64"
    )]
    let height = (u64::BITS - 1 - (size - 1).leading_zeros()) as u8;
    height
}

/// The root of the tree over the entries `from .. to`, where `from` is a multiple of the largest
/// power of two that fits in.
fn range<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Hash, N::Error> {
    match to - from {
        0 => Ok(Hash::of_nothing()),
        size if size.is_power_of_two() => {
            let height = size.trailing_zeros();
            #[expect(clippy::cast_possible_truncation, reason = "below 64")]
            nodes.node(height as u8, from >> height)
        }
        size => {
            let middle = from + (1 << split(size));
            Ok(Hash::of_node(
                &range(nodes, from, middle)?,
                &range(nodes, middle, to)?,
            ))
        }
    }
}

/// The root of the first `size` entries.
///
/// # Errors
/// When a subtree cannot be read.
pub fn root_of<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    range(nodes, 0, size)
}

/// The siblings of an entry, from the leaf upward. `index` is below `size`.
///
/// # Errors
/// When a subtree cannot be read.
pub fn inclusion_proof<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut from, mut to) = (0, size);
    let mut siblings = Vec::new();
    // Downward, so the other way round.
    while to - from > 1 {
        let middle = from + (1 << split(to - from));
        if index < middle {
            siblings.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            siblings.push(range(nodes, from, middle)?);
            from = middle;
        }
    }
    siblings.reverse();
    Ok(siblings)
}

/// What shows that the tree of `old` entries is the beginning of the one of `new`. `old` is at most
/// `new`; the proof is empty where either needs none.
///
/// # Errors
/// When a subtree cannot be read.
pub fn consistency_proof<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, new);
    // Whether the verifier knows the old root itself, which then need not be told.
    let mut known = true;
    while old != to {
        let middle = from + (1 << split(to - from));
        if old <= middle {
            proof.push(range(nodes, middle, to)?);
            to = middle;
        } else {
            proof.push(range(nodes, from, middle)?);
            from = middle;
            known = false;
        }
    }
    if !known {
        proof.push(range(nodes, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether an entry is the `index`-th of a tree.
///
/// # Errors
/// [`ProofError`] when the proof does not show it.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { asked: index, size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    let mut siblings = proof.iter();
    let mut used = 0;
    while last > 0 {
        if node % 2 == 1 || node < last {
            let sibling = siblings.next().ok_or_else(|| ProofError::Length {
                found: proof.len(),
                expected: inclusion_length(index, size),
            })?;
            used += 1;
            hash = if node % 2 == 1 {
                Hash::of_node(sibling, &hash)
            } else {
                Hash::of_node(&hash, sibling)
            };
        }
        node /= 2;
        last /= 2;
    }
    if used != proof.len() {
        return Err(ProofError::Length {
            found: proof.len(),
            expected: used,
        });
    }
    if hash == root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

fn inclusion_length(index: u64, size: u64) -> usize {
    let (mut node, mut last, mut length) = (index, size.saturating_sub(1), 0);
    while last > 0 {
        if node % 2 == 1 || node < last {
            length += 1;
        }
        node /= 2;
        last /= 2;
    }
    length
}

/// Whether the tree of `old` entries is the beginning of the one of `new`.
///
/// # Errors
/// [`ProofError`] when the proof does not show it.
pub fn verify_consistency(
    (old, old_root): (u64, Hash),
    (new, new_root): (u64, Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Range {
            asked: old,
            size: new,
        });
    }
    let needs_none = old == 0 || old == new;
    if needs_none && !proof.is_empty() {
        return Err(ProofError::Length {
            found: proof.len(),
            expected: 0,
        });
    }
    if old == 0 {
        let empty = old_root == Hash::of_nothing();
        return if empty { Ok(()) } else { Err(ProofError::Root) };
    }
    if old == new {
        let same = old_root == new_root;
        return if same { Ok(()) } else { Err(ProofError::Root) };
    }
    let short = || ProofError::Length {
        found: proof.len(),
        expected: proof.len() + 1,
    };
    // The last subtree of the old tree that is whole in both.
    let (mut node, mut last) = (old - 1, new - 1);
    while node % 2 == 1 {
        node /= 2;
        last /= 2;
    }
    let mut hashes = proof.iter();
    let seed = if node == 0 {
        old_root
    } else {
        *hashes.next().ok_or_else(short)?
    };
    let (mut of_old, mut of_new) = (seed, seed);
    while last > 0 {
        if node % 2 == 1 {
            let left = hashes.next().ok_or_else(short)?;
            of_old = Hash::of_node(left, &of_old);
            of_new = Hash::of_node(left, &of_new);
        } else if node < last {
            let right = hashes.next().ok_or_else(short)?;
            of_new = Hash::of_node(&of_new, right);
        }
        node /= 2;
        last /= 2;
    }
    let left = hashes.len();
    if left > 0 {
        return Err(ProofError::Length {
            found: proof.len(),
            expected: proof.len() - left,
        });
    }
    if (of_old, of_new) == (old_root, new_root) {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}
