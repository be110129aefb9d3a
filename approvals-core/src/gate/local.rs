//! Copies on channels that are in this process alone, as at a terminal.
//!
//! Such a channel has one row in the store, and as many copies as there are processes that show the
//! request: which of them shows what is known only to each itself. The row says whether anybody
//! was shown the request anywhere.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use crate::id::{ChannelId, RequestId};
use crate::store::DeliveryState;

/// The copies that this process shows, or is about to. They are forgotten when their requests are
/// over.
#[derive(Debug, Default)]
pub(super) struct LocalCopies(Mutex<Copies>);

#[derive(Debug, Default)]
struct Copies {
    all: BTreeMap<(ChannelId, RequestId), LocalCopy>,
    /// Where the last look ended, by channel.
    looked: BTreeMap<ChannelId, RequestId>,
}

/// How far the copy of this process came.
#[derive(Debug, Clone)]
pub(super) struct LocalCopy {
    pub(super) state: DeliveryState,
    pub(super) revision: u64,
}

impl LocalCopies {
    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes note that a request is to be shown here. Says whether that is new.
    pub(super) fn intend(&self, channel: &ChannelId, request: RequestId) -> bool {
        match self.copies().all.entry((channel.clone(), request)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(LocalCopy {
                    state: DeliveryState::Intended,
                    revision: 1,
                });
                true
            }
        }
    }

    pub(super) fn of(&self, channel: &ChannelId, request: RequestId) -> Option<LocalCopy> {
        let copies = self.copies();
        copies.all.get(&(channel.clone(), request)).cloned()
    }

    pub(super) fn note(&self, channel: &ChannelId, request: RequestId, copy: LocalCopy) {
        self.copies().all.insert((channel.clone(), request), copy);
    }

    pub(super) fn forget(&self, channel: &ChannelId, request: RequestId) {
        self.copies().all.remove(&(channel.clone(), request));
    }

    /// Up to `limit` requests with a copy here: others at every call, until each had its turn.
    pub(super) fn some(&self, channel: &ChannelId, limit: usize) -> Vec<RequestId> {
        let mut copies = self.copies();
        let first = RequestId::from_bytes([0; 16]);
        let from = match copies.looked.get(channel) {
            Some(last) => Bound::Excluded((channel.clone(), *last)),
            None => Bound::Included((channel.clone(), first)),
        };
        let here = copies.all.range((from, Bound::Unbounded));
        let here = here.take_while(|((of, _), _)| of == channel);
        let some: Vec<RequestId> = here.take(limit).map(|((_, id), _)| *id).collect();
        match some.last().filter(|_| some.len() == limit) {
            Some(last) => copies.looked.insert(channel.clone(), *last),
            None => copies.looked.remove(channel),
        };
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn every_local_copy_has_its_turn() {
        let copies = LocalCopies::default();
        let [here, other] = ["a", "b"].map(|name| ChannelId::new(name).unwrap());
        let mut ids: Vec<RequestId> = (0..5)
            .map(|n| RequestId::new(Timestamp::from_millis(n)))
            .collect();
        ids.sort_unstable();
        for id in &ids {
            assert!(copies.intend(&here, *id));
            assert!(copies.intend(&other, *id));
            assert!(!copies.intend(&here, *id));
        }
        let looked: Vec<Vec<RequestId>> = (0..4).map(|_| copies.some(&here, 2)).collect();
        assert_eq!(looked, [&ids[..2], &ids[2..4], &ids[4..], &ids[..2]]);
        copies.forget(&other, ids[0]);
        assert_eq!(copies.some(&other, 9), ids[1..]);
    }
}
