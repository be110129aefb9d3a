//! The in-memory store, with methods that fail, clocks that fail, and stops between two steps.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::memory::MemoryStore;
use approvals_core::review::Opening;
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Opened, Snapshot, Swap, Swapped,
};
use approvals_core::{
    ChannelId, Clock, ClockError, Digest, OwnerId, Phase, Record, RequestId, RequestStore, SinkId,
    StoreError, Timestamp, TokioClock, async_trait,
};

/// On which side of a commit something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

type Step = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A clock that follows tokio's until it is told to fail.
#[derive(Debug)]
pub(crate) struct TestClock {
    tokio: TokioClock,
    failing: Mutex<Option<ClockError>>,
}

impl Clock for TestClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        match &*self.failing.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => self.tokio.now(),
        }
    }
}

pub(crate) struct Store {
    pub(crate) inner: MemoryStore,
    clock: Arc<TestClock>,
    failing: Mutex<BTreeSet<&'static str>>,
    steps: Mutex<Vec<(When, Phase, Step)>>,
    lost: Mutex<Option<Phase>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock {
            tokio: TokioClock::new(),
            failing: Mutex::default(),
        });
        Self {
            inner: MemoryStore::with_clock(clock.clone()),
            clock,
            failing: Mutex::default(),
            steps: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// Makes a method fail as if the store were away; `"all"` is every method.
    pub(crate) fn fail(&self, method: &'static str) {
        self.failing.lock().unwrap().insert(method);
    }

    pub(crate) fn recover(&self) {
        self.failing.lock().unwrap().clear();
        *self.clock.failing.lock().unwrap() = None;
    }

    pub(crate) fn fail_clock(&self, error: ClockError) {
        *self.clock.failing.lock().unwrap() = Some(error);
    }

    /// Has something happen right after the next commit that brings a request into this phase,
    /// before whoever committed hears of it.
    pub(crate) fn after(&self, phase: Phase, step: impl Future<Output = ()> + Send + 'static) {
        let step = (When::After, phase, Box::pin(step) as Step);
        self.steps.lock().unwrap().push(step);
    }

    /// Has something happen when the next commit that brings a request into this phase is under way.
    pub(crate) fn before(&self, phase: Phase, step: impl Future<Output = ()> + Send + 'static) {
        let step = (When::Before, phase, Box::pin(step) as Step);
        self.steps.lock().unwrap().push(step);
    }

    /// Makes the next commit that brings a request into this phase look as if it had failed.
    pub(crate) fn lose_answer_of(&self, phase: Phase) {
        *self.lost.lock().unwrap() = Some(phase);
    }

    fn answering(&self, method: &'static str) -> Result<(), StoreError> {
        let failing = self.failing.lock().unwrap();
        if failing.contains(method) || failing.contains("all") {
            return Err(StoreError::Unreachable("the network is down".to_owned()));
        }
        Ok(())
    }

    fn step(&self, at: When, of: Phase) -> Option<Step> {
        let mut steps = self.steps.lock().unwrap();
        let found = steps
            .iter()
            .position(|(when, phase, _)| (*when, *phase) == (at, of))?;
        Some(steps.remove(found).2)
    }
}

#[async_trait]
impl RequestStore for Store {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.answering("now")?;
        self.inner.now().await
    }

    async fn open(&self, opening: Opening, all: Vec<Delivery>) -> Result<Opened, StoreError> {
        self.answering("open")?;
        self.inner.open(opening, all).await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        self.answering("read")?;
        self.inner.read(id).await
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        self.answering("compare_and_swap")?;
        let phase = swap.record.state.phase();
        if let Some(step) = self.step(When::Before, phase) {
            step.await;
        }
        let swapped = self.inner.compare_and_swap(swap).await?;
        if matches!(swapped, Swapped::Done { .. })
            && let Some(step) = self.step(When::After, phase)
        {
            step.await;
        }
        if self
            .lost
            .lock()
            .unwrap()
            .take_if(|lost| *lost == phase)
            .is_some()
        {
            return Err(StoreError::Unreachable("the connection broke".to_owned()));
        }
        Ok(swapped)
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        self.answering("append")?;
        self.inner.append(events).await
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.answering("register_sink")?;
        self.inner.register_sink(sink).await
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.answering("events")?;
        self.inner.events(sink, limit).await
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.answering("acknowledge")?;
        self.inner.acknowledge(sink, number).await
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        self.answering("deliveries")?;
        self.inner.deliveries(id).await
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        self.answering("note_delivery")?;
        self.inner.note_delivery(id, delivery).await
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        self.answering("copies_due")?;
        self.inner.copies_due(channel, limit).await
    }

    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.answering("lease")?;
        self.inner.lease(duty, owner, lease).await
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        self.answering("due")?;
        self.inner.due(limit).await
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        self.answering("pending_with")?;
        self.inner.pending_with(digest).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.answering("list")?;
        self.inner.list(filter, after, limit).await
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        self.answering("freeze")?;
        self.inner.freeze().await
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.answering("set_freeze")?;
        self.inner.set_freeze(freeze, event).await
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        self.answering("heartbeat")?;
        self.inner.heartbeat(owner, lease).await
    }

    fn hints(&self) -> &Arc<Hints> {
        self.inner.hints()
    }

    fn is_durable(&self) -> bool {
        false
    }
}
