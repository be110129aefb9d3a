//! What is finished and decides about nothing any more: forgotten, or archived where it has a key.

use std::sync::Arc;

use super::Stored;
use crate::id::RequestId;
use crate::review::{Phase, Record};
use crate::store::retention::{has_open_grant, still_decides, tombstone};
use crate::time::Timestamp;

/// How many finished requests are remembered for late clicks.
const REMEMBERED: usize = 4096;

impl Stored {
    /// Keeps the most recent finished requests, and every one that still decides about something.
    pub(super) fn forget_finished(&mut self, now: Timestamp) {
        let excess = self.finished.len().saturating_sub(REMEMBERED);
        // Two at a time keeps up with one finish at a time, and bounds the work of each.
        for _ in 0..excess.min(2) {
            let Some(id) = self.finished.pop_front() else {
                return;
            };
            match self.rows.get(&id) {
                Some(row) if self.still_needed(&row.record, now) || self.hints.is_watched(id) => {
                    self.finished.push_back(id);
                }
                Some(_) => drop(self.forget(id, now)),
                None => {}
            }
        }
    }

    fn forget(&mut self, id: RequestId, now: Timestamp) -> Option<Arc<Record>> {
        let row = self.rows.remove(&id)?;
        self.index.dropped(&row.record, now);
        for delivery in row.deliveries.iter() {
            self.posting.over(id, row.record.asked.asked_at, delivery);
        }
        Some(row.record)
    }

    /// Archives what finished by then, among the `count` that finished first.
    pub(super) fn archive(&mut self, count: usize, by: Timestamp, now: Timestamp) -> u64 {
        let mut archived = 0;
        for _ in 0..count {
            let Some(id) = self.finished.pop_front() else {
                break;
            };
            let Some(row) = self.rows.get(&id) else {
                continue;
            };
            let kept = row.record.changed_at > by
                || self.hints.is_watched(id)
                || self.still_decides(&row.record, now);
            if kept {
                self.finished.push_back(id);
            } else if let Some(record) = self.forget(id, now) {
                archived += 1;
                if record.asked.call.key().is_some() {
                    self.archived.insert(id, Arc::new(tombstone(&record)));
                }
            }
        }
        archived
    }

    /// Whether a finished record must not be forgotten yet. What has a key is archived, not
    /// forgotten: the key is found as long as its record is there.
    fn still_needed(&self, record: &Record, now: Timestamp) -> bool {
        record.asked.call.key().is_some() || self.still_decides(record, now)
    }

    /// Whether a finished record decides about others: a denial also while there is a grant that it
    /// closes.
    fn still_decides(&self, record: &Record, now: Timestamp) -> bool {
        let closes_a_grant = || {
            record.state.phase() == Phase::Denied
                && self
                    .index
                    .deciding_with(&record.asked.digest)
                    .filter_map(|id| self.rows.get(&id))
                    .any(|row| has_open_grant(&row.record, now))
        };
        still_decides(record, now) || closes_a_grant()
    }
}
