//! What the store looks up when a request is opened: keys, equal digests, busy buckets, proposals.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Digest;
use crate::id::{PersonId, RequestId};
use crate::review::{Asked, Bucket, Phase, Proposal, Record, State};
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Almost every digest has one request.
#[derive(Debug)]
enum Ids {
    One(RequestId),
    Many(Vec<RequestId>),
}

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Keys are never forgotten: they name one logical call for good.
    pub(super) by_key: HashMap<Digest, RequestId>,
    /// By a hash of the digest: whoever looks compares the digest itself.
    by_digest: HashMap<u64, Ids>,
    /// By a hash of (root principal, action, resource).
    buckets: HashMap<u64, Traffic>,
    /// Every ask and denial with its bucket, the oldest first: when an hour has passed over the
    /// last of them, the bucket is forgotten.
    counted: VecDeque<(Timestamp, u64)>,
    proposals: HashMap<u64, Vec<(Timestamp, PersonId, Arc<Proposal>)>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Traffic {
    pending: u32,
    asks: VecDeque<Timestamp>,
    denials: VecDeque<Timestamp>,
}

impl Index {
    fn digest_key(digest: &Digest) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    fn bucket_key(&self, asked: &Asked) -> u64 {
        self.hasher
            .hash_one((&asked.root, asked.call.action(), asked.call.resource()))
    }

    fn proposal_key(&self, asked: &Asked) -> u64 {
        let chain: Vec<_> = asked.call.requester().chain().collect();
        self.hasher.hash_one((chain, asked.call.action()))
    }

    pub(super) fn with_digest(&self, digest: &Digest) -> &[RequestId] {
        match self.by_digest.get(&Self::digest_key(digest)) {
            None => &[],
            Some(Ids::One(id)) => std::slice::from_ref(id),
            Some(Ids::Many(ids)) => ids,
        }
    }

    pub(super) fn bucket(&mut self, asked: &Asked, now: Timestamp) -> Bucket {
        let key = self.bucket_key(asked);
        let Some(traffic) = self.buckets.get_mut(&key) else {
            return Bucket::default();
        };
        traffic.forget(now);
        Bucket {
            pending: traffic.pending,
            asks: count(&traffic.asks),
            denials: count(&traffic.denials),
            last_denial: traffic.denials.back().copied(),
        }
    }

    pub(super) fn proposals(
        &mut self,
        asked: &Asked,
        now: Timestamp,
    ) -> Vec<(PersonId, Arc<Proposal>)> {
        if self.proposals.is_empty() {
            return Vec::new();
        }
        let key = self.proposal_key(asked);
        let Some(made) = self.proposals.get_mut(&key) else {
            return Vec::new();
        };
        made.retain(|(at, _, _)| now < at.plus(DAY));
        made.iter()
            .map(|(_, person, proposal)| (person.clone(), Arc::clone(proposal)))
            .collect()
    }

    /// Takes note of a new record.
    pub(super) fn opened(&mut self, record: &Record, asks: bool, now: Timestamp) {
        let id = record.id();
        self.by_digest
            .entry(Self::digest_key(&record.asked.digest))
            .and_modify(|ids| match ids {
                Ids::One(first) => *ids = Ids::Many(vec![*first, id]),
                Ids::Many(ids) => ids.push(id),
            })
            .or_insert(Ids::One(id));
        if asks {
            let key = self.bucket_key(&record.asked);
            let traffic = self.buckets.entry(key).or_default();
            traffic.pending += 1;
            traffic.asks.push_back(now);
            self.count(now, key);
        }
    }

    /// Notes that a bucket was busy, and forgets what was busy an hour ago. Two at a time keeps up
    /// with one at a time, and bounds the work of each.
    fn count(&mut self, now: Timestamp, bucket: u64) {
        self.counted.push_back((now, bucket));
        for _ in 0..2 {
            let Some((at, key)) = self.counted.front().copied() else {
                return;
            };
            if now < at.plus(HOUR) {
                return;
            }
            self.counted.pop_front();
            self.forget_idle(key, now);
        }
    }

    fn forget_idle(&mut self, bucket: u64, now: Timestamp) {
        if let Some(traffic) = self.buckets.get_mut(&bucket) {
            traffic.forget(now);
            if traffic.pending == 0 && traffic.asks.is_empty() && traffic.denials.is_empty() {
                self.buckets.remove(&bucket);
                shrink(&mut self.buckets);
            }
        }
    }

    /// Takes note of a change.
    pub(super) fn changed(&mut self, before: &Record, after: &Record, now: Timestamp) {
        let was_pending = before.state.phase() == Phase::Pending;
        if !was_pending || after.state.phase() == Phase::Pending {
            return;
        }
        let key = self.bucket_key(&after.asked);
        let traffic = self.buckets.entry(key).or_default();
        traffic.pending = traffic.pending.saturating_sub(1);
        if let State::Denied { by, proposal, .. } = &after.state {
            traffic.denials.push_back(now);
            self.count(now, key);
            if let Some(proposal) = proposal {
                let key = self.proposal_key(&after.asked);
                if self.proposals.len().is_power_of_two() {
                    let fresh = |(at, _, _): &(Timestamp, _, _)| now < at.plus(DAY);
                    self.proposals.retain(|_, made| made.iter().any(fresh));
                }
                let made = self.proposals.entry(key).or_default();
                made.push((now, by.clone(), Arc::clone(proposal)));
            }
        }
    }

    /// Forgets a record that decides about nothing any more.
    pub(super) fn dropped(&mut self, record: &Record, now: Timestamp) {
        let key = Self::digest_key(&record.asked.digest);
        let gone = match self.by_digest.get_mut(&key) {
            None => false,
            Some(Ids::One(id)) => *id == record.id(),
            Some(Ids::Many(ids)) => {
                ids.retain(|id| *id != record.id());
                ids.is_empty()
            }
        };
        if gone {
            self.by_digest.remove(&key);
            shrink(&mut self.by_digest);
        }
        self.forget_idle(self.bucket_key(&record.asked), now);
    }
}

/// A burst of requests should not leave its table behind.
pub(super) fn shrink<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > 8192 && table.len() * 8 < table.capacity() {
        table.shrink_to(table.len() * 2);
    }
}

impl Traffic {
    fn forget(&mut self, now: Timestamp) {
        for times in [&mut self.asks, &mut self.denials] {
            while times.front().is_some_and(|at| at.plus(HOUR) <= now) {
                times.pop_front();
            }
        }
    }
}

fn count(times: &VecDeque<Timestamp>) -> u32 {
    u32::try_from(times.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_forgotten_an_hour_after_its_last_request() {
        let mut index = Index::default();
        let mut now = Timestamp::from_millis(0);
        for bucket in 0..100_000_u64 {
            now = now.plus(Duration::from_secs(1));
            index.buckets.entry(bucket).or_default().asks.push_back(now);
            index.count(now, bucket);
        }
        assert!(index.buckets.len() <= 3_601, "{}", index.buckets.len());
        assert!(index.counted.len() <= 3_601);
        assert!(index.buckets.capacity() <= 16_384);
    }
}
