//! Where the parts of a log lie, as C2SP's tlog-tiles says.

use std::fmt;

use crate::tree::Hash;

/// How many hashes, or entries, a full tile has.
pub const WIDTH: u64 = 256;

/// How many levels of the tree one level of tiles covers.
pub(crate) const HEIGHT: u8 = 8;

/// A tile of hashes, or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Which hashes: level 0 is those of entries. `None` is the entries themselves.
    pub level: Option<u8>,
    /// Which of its level, from the left.
    pub index: u64,
    /// How many it has: [`WIDTH`] when it is full, never 0.
    pub width: u64,
}

impl Tile {
    /// A full bundle of entries.
    #[must_use]
    pub const fn bundle(index: u64) -> Self {
        Self {
            level: None,
            index,
            width: WIDTH,
        }
    }

    /// A full tile of hashes.
    #[must_use]
    pub const fn hashes(level: u8, index: u64) -> Self {
        Self {
            level: Some(level),
            index,
            width: WIDTH,
        }
    }

    /// The same, with so many.
    #[must_use]
    pub const fn of_width(self, width: u64) -> Self {
        Self { width, ..self }
    }

    /// How many hashes a level has in a tree of this size: those of whole subtrees.
    #[must_use]
    pub const fn count(level: u8, size: u64) -> u64 {
        match size.checked_shr(HEIGHT as u32 * level as u32) {
            Some(count) => count,
            None => 0,
        }
    }

    /// The tile of this level that has the hash or entry of this index, as wide as it is in a tree
    /// of this size.
    #[must_use]
    pub const fn with(level: Option<u8>, index: u64, size: u64) -> Self {
        let count = match level {
            Some(level) => Self::count(level, size),
            None => size,
        };
        let tile = index / WIDTH;
        let rest = count.saturating_sub(tile * WIDTH);
        Self {
            level,
            index: tile,
            width: if rest < WIDTH { rest } else { WIDTH },
        }
    }

    /// Whether it has all that it ever will.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// How long a tile of hashes is, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "at most 256")]
        let width = self.width as usize;
        width * Hash::LENGTH
    }
}

/// The path within the log's directory: `tile/0/x001/234`, `tile/entries/000.p/17`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}/")?,
            None => f.write_str("tile/entries/")?,
        }
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        let last = groups.len() - 1;
        for (group, n) in groups.iter().rev().enumerate() {
            if group < last {
                write!(f, "x{n:03}/")?;
            } else {
                write!(f, "{n:03}")?;
            }
        }
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

/// A bundle's bytes, taken apart into its entries.
#[derive(Debug, Clone)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// Of a bundle's bytes.
    #[must_use]
    pub const fn of(bundle: &'a [u8]) -> Self {
        Self(bundle)
    }

    /// What has not been read yet: empty when the bundle ended with an entry.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    /// The next whole entry.
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        self.0 = rest;
        Some(entry)
    }
}

/// Appends an entry to a bundle. `false`, and nothing appended, when it is longer than 65,535
/// bytes.
#[must_use]
pub(crate) fn append(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(length) = u16::try_from(entry.len()) else {
        return false;
    };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}
