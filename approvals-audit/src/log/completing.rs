//! Taking up entries past the published checkpoint that a signed one, or the store, vouches for.

use super::writer::{Reached, Writer};
use super::{Files, LogError};
use crate::tile::{Entries, WIDTH};

/// Why entries past the published checkpoint cannot be taken up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whys {
    /// Some of them are not there.
    pub(super) missing: &'static str,
    /// They are others.
    pub(super) other: &'static str,
}

/// A checkpoint over them was signed, and not published yet.
pub(super) const SIGNED: Whys = Whys {
    missing: "entries before the last signed checkpoint are missing or cut off",
    other: "the entries after the published checkpoint are not those that were signed: they were changed",
};

/// The store has recorded them, and whoever was to sign died.
pub(super) const RECORDED: Whys = Whys {
    missing: "the store has recorded more entries than there are: the log was set back",
    other: "the entries past the checkpoint are not those that the store has recorded: the log was forked or changed",
};

impl Writer {
    /// Takes up the entries up to there: exactly those, or none. How long the last bundle is then,
    /// in bytes, if it is not full.
    pub(super) fn take_up_to(
        &mut self,
        files: &Files,
        (had, root): Reached,
        whys: Whys,
    ) -> Result<usize, LogError> {
        let from = self.size();
        let mut length = 0;
        while self.size() < had {
            let (bundle, from) = (self.size() / WIDTH, self.size() % WIDTH);
            let bytes = files.read_bundle(&files.open(bundle))?;
            let bytes = bytes.ok_or_else(|| self.damaged(self.size(), whys.missing))?;
            let mut entries = Entries::of(&bytes);
            let to = WIDTH.min(had - bundle * WIDTH);
            for within in 0..to {
                let entry = entries.next();
                let entry = entry.ok_or_else(|| self.damaged(self.size(), whys.missing))?;
                if within >= from {
                    self.take_up(entry)?;
                }
            }
            length = bytes.len() - entries.rest().len();
            if to == WIDTH {
                self.bundles.push(bundle);
                length = 0;
            }
        }
        if self.reached() != (had, root) {
            return Err(self.damaged(from, whys.other));
        }
        Ok(length)
    }
}
