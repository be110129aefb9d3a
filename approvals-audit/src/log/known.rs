//! Which events a log has.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};

use approvals_core::EventId;
use serde::Deserialize;

use super::entry::Entry;
use super::{Directory, LogError};
use crate::tile::{Entries, WIDTH};

/// What is needed of an entry to know which event it is.
#[derive(Debug, Deserialize)]
struct Name {
    number: u64,
    id: EventId,
}

/// How many events are remembered by their ids. A store repeats what it has taken a moment ago.
const REMEMBERED: usize = 4096;

/// Which events a log has: numbers without a gap, from the first one that it was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The numbers of the first and the last entry.
    range: Option<(u64, u64)>,
    /// The latest, with their numbers.
    recent: HashMap<EventId, u64>,
    in_order: VecDeque<EventId>,
}

impl Known {
    /// Of a log of this size.
    pub(super) fn of(directory: &Directory, size: u64) -> Result<Self, LogError> {
        if size == 0 {
            return Ok(Self::default());
        }
        let first = name(directory, 0, size)?.number;
        let last = name(directory, size - 1, size)?.number;
        if last.checked_sub(first) != Some(size - 1) {
            return Err(directory.damaged(size - 1, "its number is not its place in the log"));
        }
        let mut known = Self {
            range: Some((first, last)),
            ..Self::default()
        };
        let from = size.saturating_sub(REMEMBERED as u64) / WIDTH;
        for bundle in from..size.div_ceil(WIDTH) {
            let bytes = directory.bundle(bundle, size)?;
            for (index, entry) in (bundle * WIDTH..).zip(Entries::of(&bytes)) {
                let name = parsed(directory, index, entry)?;
                known.remember(name.id, name.number);
            }
        }
        Ok(known)
    }

    fn remember(&mut self, id: EventId, number: u64) {
        if let Place::Vacant(free) = self.recent.entry(id) {
            free.insert(number);
            self.in_order.push_back(id);
        }
        if self.in_order.len() > REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// The number under which the log has this event already, as far as it is remembered.
    pub(super) fn number_of(&self, id: EventId) -> Option<u64> {
        self.recent.get(&id).copied()
    }

    /// The number that the next event has to have; any if the log is empty.
    pub(super) fn next(&self) -> Option<u64> {
        self.range.map(|(_, last)| last.saturating_add(1))
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let begins = self.range.map_or(first.number, |(first, _)| first);
        self.range = Some((begins, last.number));
        for entry in entries {
            self.remember(entry.id, entry.number);
        }
    }

    /// Whether an event that was offered again is the one that the log has.
    pub(super) fn check(
        &self,
        directory: &Directory,
        size: u64,
        entry: &Entry,
    ) -> Result<(), LogError> {
        let other = || LogError::OtherTrail(entry.number);
        let (first, _) = self.range.ok_or_else(other)?;
        let index = entry.number.checked_sub(first).ok_or_else(other)?;
        let stored = name(directory, index, size)?;
        if (stored.number, stored.id) == (entry.number, entry.id) {
            Ok(())
        } else {
            Err(other())
        }
    }
}

fn name(directory: &Directory, index: u64, size: u64) -> Result<Name, LogError> {
    parsed(directory, index, &directory.entry(index, size)?)
}

fn parsed(directory: &Directory, index: u64, entry: &[u8]) -> Result<Name, LogError> {
    serde_json::from_slice(entry).map_err(|_| directory.damaged(index, "it is no audit event"))
}
