//! The reference store: one lock, so that every method is one commit.

mod forgetting;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::alike::Alike;
use super::index::Index;
use super::outbox::Outbox;
use super::posting::Posting;
use crate::audit::{Event, NewEvent};
use crate::digest::Digest;
use crate::id::{ChannelId, OwnerId, RequestId, SinkId};
use crate::packed::Packed;
use crate::review::{
    Admission, Opening, Phase, Record, Refused, SCHEMA, Standing, Transition, admit, stands,
};
use crate::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Known, Opened, RequestStore, Seen, Snapshot,
    StoreError, Swap, Swapped,
};
use crate::time::{Clock, SystemClock, Timestamp, TokioClock};

/// How many finished requests are archived before anybody else has a turn.
const ARCHIVED_AT_ONCE: usize = 256;

/// Keeps requests in memory. What is pending is gone when the process ends.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    hints: Arc<Hints>,
    state: Mutex<Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    latest: Option<Timestamp>,
    /// Ordered by time of creation: what is busy stands together, and nothing grows by doubling.
    rows: Packed<RequestId, Row>,
    alike: Alike,
    index: Index,
    due: Packed<(Timestamp, RequestId), ()>,
    /// Requests that only one gate waits for, by gate.
    awaited: HashMap<OwnerId, Packed<RequestId, ()>>,
    alive: BTreeMap<OwnerId, Timestamp>,
    finished: VecDeque<RequestId>,
    /// What is left of archived requests that had a key.
    archived: BTreeMap<RequestId, Arc<Record>>,
    posting: Posting,
    duties: BTreeMap<Duty, (OwnerId, Timestamp)>,
    outbox: Outbox,
    freeze: Option<Freeze>,
    /// Whoever still waits for a finished request has yet to read how it ended.
    hints: Arc<Hints>,
}

#[derive(Debug)]
struct Row {
    record: Arc<Record>,
    deliveries: Arc<[Delivery]>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("requests", &self.stored().rows.len())
            .finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store on the host's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// An empty store that follows tokio's clock, also a paused one: for tests.
    #[must_use]
    pub fn on_tokio_time() -> Self {
        Self::with_clock(Arc::new(TokioClock::new()))
    }

    /// An empty store on this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let hints = Arc::<Hints>::default();
        let state = Stored {
            hints: Arc::clone(&hints),
            ..Stored::default()
        };
        Self {
            clock,
            hints,
            state: Mutex::new(state),
        }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        // Every change is made whole before anything in it can panic.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Archives what finished so long ago, among the `count` that finished first.
    fn archive_some(&self, count: usize, finished_for: Duration) -> Result<u64, StoreError> {
        let (mut stored, now) = self.commit()?;
        Ok(stored.archive(count, now.minus(finished_for), now))
    }

    /// The time, and the state as it stands then. Time is read under the lock, so that it never
    /// decreases from one commit to the next.
    fn commit(&self) -> Result<(MutexGuard<'_, Stored>, Timestamp), StoreError> {
        let mut stored = self.stored();
        let now = self
            .clock
            .now()?
            .max(stored.latest.unwrap_or(Timestamp::from_millis(0)));
        stored.latest = Some(now);
        Ok((stored, now))
    }
}

impl Stored {
    fn insert(
        &mut self,
        transition: Transition,
        deliveries: Vec<Delivery>,
        key: Option<Digest>,
        now: Timestamp,
    ) -> Arc<Record> {
        let Transition { record, events } = transition;
        let id = record.id();
        let asks = record.state.phase() == Phase::Pending;
        self.push(&record, events, now);
        self.index.opened(&record, asks, now);
        if let Some(key) = key {
            self.index.by_key.insert(key, id);
        }
        if let Some(due) = record.due_at() {
            self.due.insert((due, id), ());
        }
        if let Some(owner) = record.waiter.filter(|_| asks) {
            self.awaited.entry(owner).or_default().insert(id, ());
        }
        for delivery in &deliveries {
            self.posting.noted(id, record.asked.asked_at, delivery);
        }
        let record = Arc::new(record);
        self.rows.insert(
            id,
            Row {
                record: Arc::clone(&record),
                deliveries: self.alike.share(deliveries),
            },
        );
        record
    }

    fn push(&mut self, record: &Record, events: Vec<crate::audit::What>, now: Timestamp) {
        for what in events {
            self.outbox
                .push(NewEvent::about(record.id(), record.revision, what), now);
        }
    }

    /// Puts a record in place of the one that stands.
    fn replace(&mut self, record: Arc<Record>, now: Timestamp) -> Option<Arc<Record>> {
        let id = record.id();
        let row = self.rows.get_mut(&id)?;
        let before = std::mem::replace(&mut row.record, Arc::clone(&record));
        let (was_due, is_due) = (before.due_at(), record.due_at());
        if was_due != is_due {
            if let Some(due) = was_due {
                self.due.remove(&(due, id));
            }
            if let Some(due) = is_due {
                self.due.insert((due, id), ());
            }
        }
        let left_pending =
            before.state.phase() == Phase::Pending && record.state.phase() != Phase::Pending;
        if left_pending
            && let Some(owner) = record.waiter
            && let Some(ids) = self.awaited.get_mut(&owner)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.awaited.remove(&owner);
            }
        }
        self.index.changed(&before, &record, now);
        if record.state.phase().is_final() && !before.state.phase().is_final() {
            self.finished.push_back(id);
            self.forget_finished(now);
        }
        Some(record)
    }

    /// A record, or what is left of it.
    fn known(&self, id: RequestId) -> Option<Arc<Record>> {
        let row = self.rows.get(&id).map(|row| &row.record);
        row.or_else(|| self.archived.get(&id)).map(Arc::clone)
    }

    /// The records of a digest that decide about others of it.
    fn deciding_with(&self, digest: Digest) -> Vec<Arc<Record>> {
        self.index
            .deciding_with(&digest)
            .filter_map(|id| self.rows.get(&id))
            .map(|row| &row.record)
            .filter(|record| record.asked.digest == digest)
            .map(Arc::clone)
            .collect()
    }

    /// Whether a request that is about to be claimed or started still stands.
    fn stands(&self, record: &Record, now: Timestamp) -> Result<(), Refused> {
        let grantor = record.granted_by.and_then(|id| self.rows.get(&id));
        let equal = self.deciding_with(record.asked.digest);
        stands(record, &equal, grantor.map(|row| row.record.as_ref()), now)
    }

    fn copies(&self, id: RequestId) -> Arc<[Delivery]> {
        let row = self.rows.get(&id);
        row.map_or_else(|| Arc::from([]), |row| Arc::clone(&row.deliveries))
    }

    fn standing(&mut self, opening: &Opening, now: Timestamp) -> Standing {
        let asked = &opening.asked;
        let keyed = opening
            .key
            .and_then(|key| self.index.by_key.get(&key))
            .and_then(|id| self.known(*id));
        Standing {
            keyed,
            same_digest: self.deciding_with(asked.digest),
            bucket: self.index.bucket(asked, now),
            proposals: self.index.proposals(asked, now),
        }
    }
}

#[async_trait]
impl RequestStore for MemoryStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.commit().map(|(_, now)| now)
    }

    async fn open(
        &self,
        opening: Opening,
        deliveries: Vec<Delivery>,
    ) -> Result<Opened, StoreError> {
        let (mut stored, now) = self.commit()?;
        let id = opening.asked.id;
        if stored.rows.contains(&id) || stored.archived.contains_key(&id) {
            return Err(StoreError::Invalid(format!(
                "a request with the id {} exists: make a new id",
                opening.asked.id
            )));
        }
        let standing = stored.standing(&opening, now);
        Ok(match admit(&opening, &standing, now) {
            Admission::Refuse(refusal) => Opened::Refused(refusal),
            Admission::Found(record) => Opened::Found(record),
            Admission::Ask(transition) => {
                let record = stored.insert(*transition, deliveries, opening.key, now);
                let last_event = stored.outbox.last();
                Opened::Asked { record, last_event }
            }
            Admission::UseGrant { grantor, record } => {
                let Transition {
                    record: poorer,
                    events,
                } = *grantor;
                let granted_by = poorer.id();
                stored.push(&poorer, events, now);
                stored.replace(Arc::new(poorer), now);
                // Nobody is asked, so no channel is given anything.
                let record = stored.insert(*record, Vec::new(), opening.key, now);
                let last_event = stored.outbox.last();
                drop(stored);
                self.hints.changed(granted_by);
                Opened::Granted { record, last_event }
            }
        })
    }

    async fn known(&self, key: Digest, digest: Digest) -> Result<Known, StoreError> {
        let (stored, now) = self.commit()?;
        let id = stored.index.by_key.get(&key).copied();
        Ok(Known {
            now,
            standing: Standing {
                keyed: id.and_then(|id| stored.known(id)),
                same_digest: stored.deciding_with(digest),
                ..Standing::default()
            },
            deliveries: id.map_or_else(|| Arc::from([]), |id| stored.copies(id)),
        })
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let (stored, now) = self.commit()?;
        let frozen = stored.freeze.is_some();
        Ok(stored.known(id).map(|record| Snapshot {
            record,
            now,
            frozen,
        }))
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let (mut stored, now) = self.commit()?;
        let id = swap.record.id();
        let Some(row) = stored.rows.get(&id) else {
            return Err(StoreError::Invalid(format!("there is no request {id}")));
        };
        if row.record.schema > SCHEMA {
            return Err(StoreError::Invalid(format!(
                "{id} was written by a newer version: upgrade before changing it"
            )));
        }
        if row.record.revision != swap.expected {
            return Ok(Swapped::Conflict);
        }
        if swap.unfrozen && stored.freeze.is_some() {
            return Ok(Swapped::Frozen);
        }
        if swap.not_after.is_some_and(|deadline| deadline <= now) {
            return Ok(Swapped::TooLate);
        }
        if swap.stands
            && let Err(fallen) = stored.stands(&swap.record, now)
        {
            return Ok(Swapped::Fallen(fallen));
        }
        for event in swap.events {
            stored.outbox.push(event, now);
        }
        let last_event = stored.outbox.last();
        let replaced = stored.replace(swap.record, now);
        drop(stored);
        self.hints.changed(id);
        match replaced {
            Some(record) => Ok(Swapped::Done { record, last_event }),
            None => Err(StoreError::Invalid(format!("there is no request {id}"))),
        }
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        let (mut stored, now) = self.commit()?;
        for event in events {
            stored.outbox.push(event, now);
        }
        Ok(stored.outbox.last())
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.stored().outbox.register(sink);
        Ok(())
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.stored().outbox.after_cursor(sink, limit)
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.stored().outbox.acknowledge(sink, number)
    }

    async fn seal(&self, sink: &SinkId) -> Result<Option<String>, StoreError> {
        Ok(self.stored().outbox.seal(sink))
    }

    async fn swap_seal(
        &self,
        sink: &SinkId,
        expected: Option<&str>,
        seal: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.stored().outbox.swap_seal(sink, expected, seal))
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        Ok(self.stored().copies(id))
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let (stored, now) = self.commit()?;
        let frozen = stored.freeze.is_some();
        let Some(record) = stored.known(id) else {
            return Ok(None);
        };
        Ok(Some(Seen {
            snapshot: Snapshot {
                record,
                now,
                frozen,
            },
            deliveries: stored.copies(id),
        }))
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        let mut stored = self.stored();
        let Stored {
            rows,
            alike,
            posting,
            ..
        } = &mut *stored;
        let Some(row) = rows.get_mut(&id) else {
            return Ok(());
        };
        let asked_at = row.record.asked.asked_at;
        let mut deliveries = row.deliveries.to_vec();
        let known = deliveries
            .iter_mut()
            .find(|known| known.channel == delivery.channel);
        if let Some(known) = &known {
            posting.over(id, asked_at, known);
        }
        posting.noted(id, asked_at, &delivery);
        match known {
            Some(known) => *known = delivery,
            None => deliveries.push(delivery),
        }
        row.deliveries = alike.share(deliveries);
        Ok(())
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        let (stored, now) = self.commit()?;
        Ok(stored.posting.due(channel, now, limit))
    }

    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let (mut stored, now) = self.commit()?;
        let other = |(has, until): &(OwnerId, Timestamp)| *has != owner && *until > now;
        if stored.duties.get(duty).is_some_and(other) {
            return Ok(false);
        }
        if lease.is_zero() {
            stored.duties.remove(duty);
            return Ok(false);
        }
        stored.duties.insert(duty.clone(), (owner, now.plus(lease)));
        Ok(true)
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        let (mut stored, now) = self.commit()?;
        let requests: Vec<RequestId> = stored
            .due
            .iter()
            .map(|(due, ())| *due)
            .take_while(|(at, _)| *at <= now)
            .take(limit)
            .map(|(_, id)| id)
            .collect();
        // A gate that was never heard of, or not for so long that it was forgotten, is gone too.
        stored.alive.retain(|_, until| *until > now);
        let abandoned = stored
            .awaited
            .iter()
            .filter(|(owner, _)| !stored.alive.contains_key(owner))
            .flat_map(|(_, ids)| ids.iter())
            .map(|(id, ())| *id)
            .take(limit)
            .collect();
        let next = stored.due.iter().next().map(|((at, _), ())| *at);
        Ok(Due {
            requests,
            abandoned,
            next,
        })
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        let stored = self.stored();
        let pending = |id: &RequestId| {
            stored.rows.get(id).is_some_and(|row| {
                row.record.asked.digest == digest && row.record.state.phase() == Phase::Pending
            })
        };
        Ok(stored.index.pending_with(&digest).filter(pending).collect())
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let stored = self.stored();
        let first = after.unwrap_or(RequestId::from_bytes([0; 16]));
        Ok(stored
            .rows
            .starting_at(first)
            .filter(|(id, _)| Some(**id) != after)
            .map(|(_, row)| &row.record)
            .filter(|record| filter.wants(record))
            .take(limit)
            .map(Arc::clone)
            .collect())
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        Ok(self.stored().freeze.clone())
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        let (mut stored, now) = self.commit()?;
        stored.outbox.push(event, now);
        stored.freeze = freeze;
        Ok(())
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        let (mut stored, now) = self.commit()?;
        stored.alive.insert(owner, now.plus(lease));
        Ok(())
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let mut left = self.stored().finished.len();
        let mut archived = 0;
        while left > 0 {
            let count = left.min(ARCHIVED_AT_ONCE);
            left -= count;
            archived += self.archive_some(count, finished_for)?;
            tokio::task::yield_now().await;
        }
        Ok(archived)
    }

    fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn is_durable(&self) -> bool {
        false
    }
}
