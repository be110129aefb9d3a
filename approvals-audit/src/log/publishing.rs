//! Publishing: the files by which anybody reads a log, as C2SP says, are made to say what was
//! acknowledged before.

use super::LogError;
use super::writer::Writer;
use crate::tile::Tile;

impl Writer {
    /// Whether the published checkpoint is that of all entries.
    pub(super) const fn is_published(&self) -> bool {
        self.unpublished.is_none()
    }

    /// Has the tiles, and then the checkpoint, show everything that was acknowledged. A crash within
    /// leaves what is made up for when the log is opened.
    pub(super) fn publish(&mut self) -> Result<(), LogError> {
        let Some(note) = self.unpublished.take() else {
            return Ok(());
        };
        self.refuse_changed()?;
        for bundle in &self.bundles {
            self.files.link_bundle(*bundle)?;
        }
        for (tile, bytes) in &self.full {
            self.files.keep_tile(*tile, bytes)?;
        }
        for (tile, bytes) in self.tail.partial() {
            // Levels above the lowest change only with it.
            let is_lowest = matches!(tile.level, None | Some(0));
            if is_lowest || !self.full.is_empty() {
                self.files.show_tile(tile, &bytes)?;
            }
        }
        self.files.write_checkpoint(&note)?;
        self.published = Some(note);
        self.settle_published()
    }

    /// Has what became full in its place only.
    fn settle_published(&mut self) -> Result<(), LogError> {
        let full = self.full.iter().map(|(tile, _)| *tile);
        let bundles = self.bundles.iter().map(|bundle| Tile::bundle(*bundle));
        let all: Vec<Tile> = full.chain(bundles).collect();
        self.files.sync_tiles(&all)?;
        for tile in all {
            self.files.forget_partial(tile)?;
        }
        for bundle in self.bundles.drain(..) {
            self.files.remove(&self.files.open(bundle))?;
        }
        self.full.clear();
        Ok(())
    }
}
