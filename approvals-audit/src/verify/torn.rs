//! Which entry of a bundle that is not whole is the first that is wrong.

use super::reading::Reading;
use super::{Finding, VerifyError, found};
use crate::log::LogError;
use crate::tile::{Entries, WIDTH};
use crate::tree::Hash;

const WHY: &str = "its bytes are not those whose hash lies beside it, or it is missing";

impl Reading<'_> {
    /// Up to where a checkpoint says that the log is as it was.
    pub(super) fn agreed(&self, size: u64) -> u64 {
        let sizes = self.remembered.iter().map(|known| known.size);
        sizes.filter(|known| *known < size).max().unwrap_or(0)
    }

    /// The first entry whose hash is not the one that lies beside the bundle.
    pub(super) fn first_that_differs(
        &self,
        index: u64,
        hashes: &[Hash],
        error: LogError,
    ) -> VerifyError {
        let Ok(bytes) = self.directory.torn_bundle(index, self.size) else {
            return error.into();
        };
        found(index * WIDTH + same(&bytes, hashes), None, WHY).into()
    }

    /// The same where the hashes of its last entries are not published: then the first entry after
    /// the last checkpoint that it agrees with.
    pub(super) fn first_unsound(&self, index: u64, error: LogError) -> VerifyError {
        let Ok(bytes) = self.directory.torn_bundle(index, self.size) else {
            return error.into();
        };
        self.differs_from_published(index, &bytes)
            .unwrap_or_else(|| {
                let why = "an entry from here on is not the one that was signed, or is missing";
                found(self.sound(&bytes), None, why)
            })
            .into()
    }

    fn differs_from_published(&self, index: u64, bytes: &[u8]) -> Option<Finding> {
        let first = index * WIDTH;
        let sizes = self.remembered.iter().map(|known| known.size);
        let within = sizes.filter(|size| (first + 1..first + WIDTH).contains(size));
        let hashes = within.map(|size| self.directory.hashes(0, index, size));
        let hashes = hashes.filter_map(Result::ok).max_by_key(Vec::len)?;
        let same = same(bytes, &hashes);
        (same < hashes.len() as u64).then(|| found(first + same, None, WHY))
    }

    /// The size of the last checkpoint that these entries, which come next, agree with.
    fn sound(&self, bytes: &[u8]) -> u64 {
        let mut tree = self.tree.clone();
        let mut entries = Entries::of(bytes);
        let mut sound = self.agreed(tree.size() + 1);
        for known in self.remembered.iter().skip(self.met) {
            while tree.size() < known.size {
                let Some(entry) = entries.next() else {
                    return sound;
                };
                tree.push(Hash::of_leaf(entry));
            }
            if tree.root() != known.root {
                break;
            }
            sound = known.size;
        }
        sound
    }
}

/// How many entries a bundle begins with that have these hashes.
fn same(bundle: &[u8], hashes: &[Hash]) -> u64 {
    let pairs = Entries::of(bundle).zip(hashes);
    let same = pairs.take_while(|(entry, hash)| Hash::of_leaf(entry) == **hash);
    same.count() as u64
}
