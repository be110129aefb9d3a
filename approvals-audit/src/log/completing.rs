//! Completing exactly the checkpoint that the store has recorded, when whoever was to sign it died.

use super::writer::{Committed, Reached, Writer};
use super::{Files, LogError};
use crate::tile::{Entries, WIDTH};

impl Writer {
    /// Takes up the entries that were written and recorded, and not signed: exactly those, or none.
    pub(super) fn complete(
        &mut self,
        files: &Files,
        (had, root): Reached,
    ) -> Result<Committed, LogError> {
        let mut full = Vec::new();
        let mut bundles = Vec::new();
        let mut length = 0;
        while self.size() < had {
            let (bundle, from) = (self.size() / WIDTH, self.size() % WIDTH);
            let bytes = files.read_bundle(&files.open(bundle))?;
            let bytes = bytes.ok_or_else(|| self.set_back())?;
            let mut entries = Entries::of(&bytes);
            let to = WIDTH.min(had - bundle * WIDTH);
            for within in 0..to {
                let entry = entries.next().ok_or_else(|| self.set_back())?;
                if within >= from {
                    full.extend(self.take_up(entry)?);
                }
            }
            length = bytes.len() - entries.rest().len();
            if to == WIDTH {
                bundles.push(bundle);
                length = 0;
            }
        }
        if self.reached() != (had, root) {
            let why = "the entries past the checkpoint are not those that the store has recorded: the log was forked or changed";
            return Err(self.damaged(self.size(), why));
        }
        tracing::warn!(
            entries = had,
            "whoever wrote the log died before it was signed: it is completed as the store has recorded it"
        );
        for bundle in &bundles {
            files.link_bundle(*bundle)?;
        }
        let open = files.open_bundles()?;
        self.drop_past(&open, had / WIDTH, length)?;
        for (tile, bytes) in full.iter().chain(&self.partial()) {
            files.show_tile(*tile, bytes)?;
        }
        self.checkpoint()?;
        Ok(Committed { full, bundles })
    }

    fn set_back(&self) -> LogError {
        let why = "the store has recorded more entries than there are: the log was set back";
        self.damaged(self.size(), why)
    }
}
