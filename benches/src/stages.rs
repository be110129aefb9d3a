//! A store that notes when each step of a call's way to its body was taken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use approvals_core::memory::MemoryStore;
use approvals_core::review::{Opening, Phase, Record};
use approvals_core::store::{
    Delivery, Due, Filter, Freeze, Hints, Opened, Snapshot, Swap, Swapped,
};
use approvals_core::{
    Digest, Event, NewEvent, OwnerId, RequestId, RequestStore, SinkId, StoreError, Timestamp,
    async_trait,
};

/// What is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record is about to be read.
    Read,
    /// A record of this phase is about to be stored.
    Storing(Phase),
    /// A record of this phase is stored.
    Stored(Phase),
}

/// The in-memory store, taking notes.
#[derive(Debug, Default)]
pub struct NotingStore {
    inner: MemoryStore,
    notes: Mutex<Vec<(Step, Instant)>>,
}

impl NotingStore {
    fn note(&self, step: Step) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push((step, Instant::now()));
    }

    /// Forgets what was noted so far.
    pub fn forget(&self) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clear();
    }

    /// What lay between the vote and the body: the names of the stages, and how long each took.
    pub fn stages(&self, cast: Instant, body: Instant) -> Option<[(&'static str, Duration); 5]> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |step: Step, from: Instant| {
            let found = notes
                .iter()
                .find(|(noted, at)| *noted == step && *at >= from);
            found.map(|(_, at)| *at)
        };
        let committed = first(Step::Stored(Phase::Approved), cast)?;
        let woken = first(Step::Read, committed)?;
        let captured = first(Step::Storing(Phase::Executing), woken)?;
        let started = first(Step::Stored(Phase::Executing), captured)?;
        Some([
            (
                "vote to commit: who voted, judged, stored",
                committed - cast,
            ),
            ("wake-up of the caller", woken - committed),
            (
                "read, policy and voter judged again, arguments captured and compared",
                captured - woken,
            ),
            ("claim and start stored", started - captured),
            ("from there to the body's first poll", body - started),
        ])
    }
}

#[async_trait]
impl RequestStore for NotingStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }
    async fn open(&self, opening: Opening, to: Vec<Delivery>) -> Result<Opened, StoreError> {
        self.inner.open(opening, to).await
    }
    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        self.note(Step::Read);
        self.inner.read(id).await
    }
    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let phase = swap.record.state.phase();
        self.note(Step::Storing(phase));
        let swapped = self.inner.compare_and_swap(swap).await;
        self.note(Step::Stored(phase));
        swapped
    }
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        self.inner.append(events).await
    }
    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.inner.register_sink(sink).await
    }
    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(sink, limit).await
    }
    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.inner.acknowledge(sink, number).await
    }
    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        self.inner.deliveries(id).await
    }
    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        self.inner.note_delivery(id, delivery).await
    }
    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        self.inner.due(limit).await
    }
    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        self.inner.pending_with(digest).await
    }
    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.list(filter, after, limit).await
    }
    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        self.inner.freeze().await
    }
    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.inner.set_freeze(freeze, event).await
    }
    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        self.inner.heartbeat(owner, lease).await
    }
    fn hints(&self) -> &Arc<Hints> {
        self.inner.hints()
    }
    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }
}
