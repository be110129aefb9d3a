//! The trail's outbox: events with dense numbers, kept until every registered sink has them.

use std::collections::{HashMap, VecDeque};

use crate::audit::{Event, NewEvent};
use crate::id::SinkId;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How many events it keeps room for when it is empty again.
const ROOM: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Events that some sink still needs: the last one has the number `last`.
    events: VecDeque<Event>,
    last: u64,
    cursors: HashMap<SinkId, u64>,
    seals: HashMap<SinkId, String>,
}

impl Outbox {
    pub(super) fn push(&mut self, new: NewEvent, at: Timestamp) {
        self.last += 1;
        if self.cursors.is_empty() {
            return;
        }
        let (request, revision) = new.about.map_or((None, 0), |(id, rev)| (Some(id), rev));
        self.events.push_back(Event {
            number: self.last,
            id: new.id,
            at,
            request,
            revision,
            what: new.what,
        });
    }

    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn register(&mut self, sink: &SinkId) {
        let first = self.last - self.events.len() as u64;
        self.cursors.entry(sink.clone()).or_insert(first);
    }

    pub(super) fn after_cursor(
        &self,
        sink: &SinkId,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let cursor = self.cursor(sink)?;
        let first = self.last - self.events.len() as u64;
        let skip = usize::try_from(cursor.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = self.events.len().saturating_sub(skip).min(limit);
        Ok(self
            .events
            .range(skip.min(self.events.len())..)
            .take(count)
            .cloned()
            .collect())
    }

    pub(super) fn acknowledge(&mut self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        let cursor = self.cursor(sink)?;
        if number > self.last {
            return Err(StoreError::Invalid(format!(
                "the sink `{sink}` acknowledges event {number}, and the last one is {}: it belongs to another store",
                self.last
            )));
        }
        self.cursors.insert(sink.clone(), cursor.max(number));
        let all_have = self.cursors.values().copied().min().unwrap_or(self.last);
        while self
            .events
            .front()
            .is_some_and(|event| event.number <= all_have)
        {
            self.events.pop_front();
        }
        if self.events.capacity() > ROOM && self.events.len() * 8 < self.events.capacity() {
            self.events.shrink_to(self.events.len() * 2);
        }
        Ok(())
    }

    pub(super) fn seal(&self, sink: &SinkId) -> Option<String> {
        self.seals.get(sink).cloned()
    }

    pub(super) fn swap_seal(&mut self, sink: &SinkId, expected: Option<&str>, seal: &str) -> bool {
        if self.seals.get(sink).map(String::as_str) != expected {
            return false;
        }
        self.seals.insert(sink.clone(), seal.to_owned());
        true
    }

    fn cursor(&self, sink: &SinkId) -> Result<u64, StoreError> {
        self.cursors.get(sink).copied().ok_or_else(|| {
            StoreError::Invalid(format!(
                "the sink `{sink}` is not registered with the store"
            ))
        })
    }
}
