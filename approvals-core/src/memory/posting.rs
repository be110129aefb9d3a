//! Which copies have to be worked on, by channel and time.

use std::collections::{BTreeSet, HashMap};

use crate::id::{ChannelId, RequestId};
use crate::store::Delivery;
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Posting(HashMap<ChannelId, BTreeSet<(Timestamp, RequestId)>>);

impl Posting {
    /// Takes note of a copy.
    pub(super) fn noted(&mut self, id: RequestId, asked_at: Timestamp, delivery: &Delivery) {
        let Some(due) = delivery.due(asked_at) else {
            return;
        };
        match self.0.get_mut(&delivery.channel) {
            Some(by_time) => {
                by_time.insert((due, id));
            }
            None => {
                let by_time = BTreeSet::from([(due, id)]);
                self.0.insert(delivery.channel.clone(), by_time);
            }
        }
    }

    /// Forgets what was noted of a copy.
    pub(super) fn over(&mut self, id: RequestId, asked_at: Timestamp, delivery: &Delivery) {
        if let Some(due) = delivery.due(asked_at)
            && let Some(by_time) = self.0.get_mut(&delivery.channel)
        {
            by_time.remove(&(due, id));
        }
    }

    pub(super) fn due(&self, channel: &ChannelId, now: Timestamp, limit: usize) -> Vec<RequestId> {
        let by_time = self.0.get(channel).into_iter().flatten();
        let due = by_time.take_while(|(at, _)| *at <= now);
        due.take(limit).map(|(_, id)| *id).collect()
    }
}
