//! Batches of events, read on from a place in the log.

use std::collections::VecDeque;

use super::{Batch, ExportError, Format, Item};
use crate::reading::{Contexts, Recorded, SignedLog};
use crate::tile::WIDTH;

/// Reads a log in batches.
#[derive(Debug)]
pub(super) struct Reader {
    log: SignedLog,
    format: Format,
    /// What was read and not handed out: at most a bundle.
    ahead: VecDeque<Recorded>,
    next: u64,
    contexts: Contexts,
}

impl Reader {
    pub(super) fn new(log: SignedLog, format: Format, from: u64) -> Self {
        Self {
            log,
            format,
            ahead: VecDeque::new(),
            next: from,
            contexts: Contexts::default(),
        }
    }

    pub(super) const fn log(&self) -> &SignedLog {
        &self.log
    }

    /// The first entry that was not handed out.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// The next events, at most so many and, unless the first alone is longer, so many bytes.
    pub(super) fn batch(&mut self, events: usize, bytes: usize) -> Result<Batch, ExportError> {
        let mut items: Vec<Item> = Vec::new();
        let mut length = 0_usize;
        // Entries that leave no line count too, so that a batch ends.
        let end = self.next.saturating_add(4 * WIDTH.max(events as u64));
        while items.len() < events && self.next < end {
            let Some(recorded) = self.read()? else {
                break;
            };
            self.contexts.learn(&recorded);
            let context = match recorded.request {
                Some(request) if self.format != Format::JsonLines => {
                    self.contexts.of(&self.log, request, recorded.index)?
                }
                Some(_) | None => None,
            };
            let origin = &self.log.checkpoint().origin;
            let line = self.format.line(&recorded, context.as_ref(), origin);
            let long = line.as_ref().map_or(0, String::len);
            if !items.is_empty() && length.saturating_add(long) > bytes {
                self.ahead.push_front(recorded);
                break;
            }
            length = length.saturating_add(long);
            self.next = recorded.index + 1;
            if let Some(line) = line {
                items.push(Item {
                    index: recorded.index,
                    id: recorded.id,
                    line,
                });
            }
        }
        Ok(Batch {
            format: self.format,
            items,
        })
    }

    fn read(&mut self) -> Result<Option<Recorded>, ExportError> {
        if self.ahead.is_empty()
            && let Some(bundle) = self.log.bundles(self.next).next()
        {
            let bundle = bundle?;
            let later = bundle.entries().filter(|raw| raw.index >= self.next);
            let read: Result<_, _> = later.map(|raw| self.log.recorded(&raw)).collect();
            self.ahead = read?;
        }
        Ok(self.ahead.pop_front())
    }
}
