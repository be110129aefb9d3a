//! What the store looks up when a request is opened: keys, equal digests, busy buckets, proposals.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use crate::digest::Digest;
use crate::id::{PersonId, RequestId};
use crate::packed::Packed;
use crate::review::{Asked, Bucket, Phase, Proposal, Record};
use crate::store::lookup::{Found, PROPOSAL_COUNTS_FOR, Said, TRAFFIC_COUNTS_FOR, denial};
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Keys are never forgotten: they name one logical call for good.
    pub(super) by_key: HashMap<Digest, RequestId>,
    /// By the beginning of the digest, whose last bit says why: whoever looks compares the digest
    /// itself. Only what somebody may look for, so that a call repeated all day is not looked at all day.
    by_digest: Packed<(u64, RequestId), ()>,
    /// By a hash of (root principal, action, resource).
    buckets: HashMap<u64, Traffic>,
    /// The seconds in which a bucket was busy, the oldest first: when an hour has passed over the
    /// last of them, the bucket is forgotten.
    counted: VecDeque<(Timestamp, u64)>,
    proposals: HashMap<u64, Vec<(Timestamp, PersonId, Arc<Proposal>)>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Traffic {
    pending: u32,
    asks: LastHour,
    denials: LastHour,
}

/// How often something happened within the last hour. What happened within one second is kept as
/// one, and counts until the last of it is an hour old.
#[derive(Debug, Default)]
struct LastHour {
    seconds: VecDeque<(Timestamp, u32)>,
    total: u32,
}

impl Index {
    fn digest_key(digest: &Digest, found: Found) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
        let h = match found {
            Found::Pending => h & !1,
            Found::Decides => h | 1,
        };
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

    /// Requests that may be pending with this digest.
    pub(super) fn pending_with(&self, digest: &Digest) -> impl Iterator<Item = RequestId> {
        self.with_digest(digest, Found::Pending)
    }

    /// Requests that may say something about later calls with this digest.
    pub(super) fn deciding_with(&self, digest: &Digest) -> impl Iterator<Item = RequestId> {
        self.with_digest(digest, Found::Decides)
    }

    fn with_digest(&self, digest: &Digest, found: Found) -> impl Iterator<Item = RequestId> {
        let key = Self::digest_key(digest, found);
        let first = RequestId::from_bytes([0; 16]);
        self.by_digest
            .starting_at((key, first))
            .map(|(entry, ())| *entry)
            .take_while(move |(of, _)| *of == key)
            .map(|(_, id)| id)
    }

    /// Has a record found by its digest as what it is now, no longer as what it was.
    fn list(&mut self, before: Option<&Record>, after: Option<&Record>) {
        let (was, is) = (before.and_then(Found::of), after.and_then(Found::of));
        let Some(record) = after.or(before).filter(|_| was != is) else {
            return;
        };
        let key = |found| (Self::digest_key(&record.asked.digest, found), record.id());
        if let Some(was) = was {
            self.by_digest.remove(&key(was));
        }
        if let Some(is) = is {
            self.by_digest.insert(key(is), ());
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
            asks: traffic.asks.total,
            denials: traffic.denials.total,
            last_denial: traffic.denials.last(),
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
        made.retain(|(at, _, _)| now < at.plus(PROPOSAL_COUNTS_FOR));
        made.iter()
            .map(|(_, person, proposal)| (person.clone(), Arc::clone(proposal)))
            .collect()
    }

    /// Takes note of a new record.
    pub(super) fn opened(&mut self, record: &Record, asks: bool, now: Timestamp) {
        self.list(None, Some(record));
        if asks {
            let key = self.bucket_key(&record.asked);
            let traffic = self.buckets.entry(key).or_default();
            traffic.pending += 1;
            if traffic.asks.add(now) {
                self.count(now, key);
            }
        }
    }

    /// Notes that a bucket was busy, and forgets what was busy an hour ago. Two at a time keeps up
    /// with one at a time, and bounds the work of each.
    fn count(&mut self, now: Timestamp, bucket: u64) {
        // What comes within the same second counts with the first of it, and as long as the last.
        let last = Timestamp::from_millis(now.as_millis() / 1000 * 1000 + 999);
        self.counted.push_back((last, bucket));
        for _ in 0..2 {
            let old = |(at, _): &mut (Timestamp, u64)| at.plus(TRAFFIC_COUNTS_FOR) <= now;
            let Some((_, key)) = self.counted.pop_front_if(old) else {
                return;
            };
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
        self.list(Some(before), Some(after));
        let was_pending = before.state.phase() == Phase::Pending;
        if !was_pending || after.state.phase() == Phase::Pending {
            return;
        }
        let key = self.bucket_key(&after.asked);
        let traffic = self.buckets.entry(key).or_default();
        traffic.pending = traffic.pending.saturating_sub(1);
        let idle = traffic.pending == 0;
        if let Some(Said { by, proposal }) = denial(before, after) {
            if traffic.denials.add(now) {
                self.count(now, key);
            }
            if let Some(proposal) = proposal {
                let key = self.proposal_key(&after.asked);
                if self.proposals.len().is_power_of_two() {
                    let fresh = |(at, _, _): &(Timestamp, _, _)| now < at.plus(PROPOSAL_COUNTS_FOR);
                    self.proposals.retain(|_, made| made.iter().any(fresh));
                }
                let made = self.proposals.entry(key).or_default();
                made.push((now, by, proposal));
            }
        }
        if idle {
            // Its last hour may have passed while people were asked.
            self.forget_idle(key, now);
        }
    }

    /// Forgets a record that decides about nothing any more.
    pub(super) fn dropped(&mut self, record: &Record, now: Timestamp) {
        self.list(Some(record), None);
        self.forget_idle(self.bucket_key(&record.asked), now);
    }
}

/// A burst of requests should not leave its table behind.
fn shrink<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > 8192 && table.len() * 8 < table.capacity() {
        table.shrink_to(table.len() * 2);
    }
}

impl Traffic {
    fn forget(&mut self, now: Timestamp) {
        self.asks.forget(now);
        self.denials.forget(now);
    }
}

impl LastHour {
    /// Says whether it is the first of its second.
    fn add(&mut self, now: Timestamp) -> bool {
        self.total = self.total.saturating_add(1);
        match self.seconds.back_mut() {
            Some((last, count)) if last.as_millis() / 1000 == now.as_millis() / 1000 => {
                *last = now;
                *count = count.saturating_add(1);
                false
            }
            Some(_) | None => {
                self.seconds.push_back((now, 1));
                true
            }
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((_, count)) = self
            .seconds
            .pop_front_if(|(at, _)| at.plus(TRAFFIC_COUNTS_FOR) <= now)
        {
            self.total = self.total.saturating_sub(count);
        }
    }

    fn last(&self) -> Option<Timestamp> {
        self.seconds.back().map(|(at, _)| *at)
    }

    const fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_is_forgotten_an_hour_after_its_last_request() {
        let mut index = Index::default();
        let mut now = Timestamp::from_millis(0);
        for bucket in 0..100_000_u64 {
            now = now.plus(Duration::from_secs(1));
            index.buckets.entry(bucket).or_default().asks.add(now);
            index.count(now, bucket);
        }
        assert!(index.buckets.len() <= 3_601, "{}", index.buckets.len());
        assert!(index.counted.len() <= 3_601);
        assert!(index.buckets.capacity() <= 16_384);
    }

    #[test]
    fn a_bucket_that_was_busy_twice_within_a_second_is_forgotten_too() {
        let mut index = Index::default();
        let start = Timestamp::from_millis(10_000);
        for millis in [0, 900] {
            let now = start.plus(Duration::from_millis(millis));
            if index.buckets.entry(1).or_default().asks.add(now) {
                index.count(now, 1);
            }
        }
        // Others are busy while the hour of its first request is over, and that of its last is not.
        let hour = start.plus(TRAFFIC_COUNTS_FOR);
        for (bucket, millis) in [(2, 500), (3, 600), (4, 2_000), (5, 3_000)] {
            let now = hour.plus(Duration::from_millis(millis));
            index.buckets.entry(bucket).or_default().asks.add(now);
            index.count(now, bucket);
        }
        assert!(!index.buckets.contains_key(&1), "{:?}", index.buckets);
    }
}
