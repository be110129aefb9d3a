//! Events that a receiver refused for good, kept for whoever mends that.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::{ExportError, Refused};
use crate::durable;
use crate::reading::SignedLog;

/// A file with a line for each.
#[derive(Debug)]
pub(super) struct DeadLetters(Option<PathBuf>);

impl DeadLetters {
    pub(super) const fn at(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Keeps these. When this returns they are there after a crash.
    pub(super) fn put(&self, log: &SignedLog, refused: &[Refused]) -> Result<(), ExportError> {
        let Some(first) = refused.first() else {
            return Ok(());
        };
        let Some(path) = &self.0 else {
            return Err(ExportError::Refused {
                index: first.item.index,
                why: first.why.clone(),
            });
        };
        let disk = |error| ExportError::disk("writing", path, error);
        let mut text = String::new();
        for Refused { item, why } in refused {
            let letter = json!({
                "log": log.checkpoint().origin,
                "index": item.index,
                "id": item.id.to_string(),
                "why": why,
                "event": item.line,
            });
            text.push_str(&letter.to_string());
            text.push('\n');
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.map_err(disk)?;
        file.write_all(text.as_bytes()).map_err(disk)?;
        file.sync_data().map_err(disk)?;
        durable::sync_parent(path).map_err(disk)
    }
}
