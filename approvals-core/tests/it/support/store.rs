//! The in-memory store, with methods that fail, clocks that fail, and stops between two steps.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::MemoryStore;
use approvals_core::review::Opening;
use approvals_core::store::{Delivery, Hints, Opened, Seen, Snapshot, Swap, Swapped};
use approvals_core::{
    ChannelId, Clock, ClockError, Phase, RequestId, RequestStore, StoreError, Timestamp, TokioClock,
};
use approvals_testing::faults::Method;
use approvals_testing::wrapping::{Wrapping, WrapsStore};

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

/// See [`Failing`].
pub(crate) type Store = Wrapping<Failing>;

pub(crate) struct Failing {
    pub(crate) inner: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    failing: Mutex<BTreeSet<&'static str>>,
    hanging: Mutex<BTreeSet<&'static str>>,
    steps: Mutex<Vec<(When, Phase, Step)>>,
    lost: Mutex<Option<Phase>>,
    late: Mutex<Option<(Phase, u32, Duration)>>,
    slow: Mutex<BTreeMap<&'static str, Duration>>,
    asked: Mutex<Vec<&'static str>>,
    durable: AtomicBool,
    /// Of another process's own, where it is one.
    hints: Option<Arc<Hints>>,
}

impl std::fmt::Debug for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Failing {
    pub(crate) fn store() -> Store {
        Wrapping(Self::new())
    }

    fn new() -> Self {
        let clock = Arc::new(TestClock {
            tokio: TokioClock::new(),
            failing: Mutex::default(),
        });
        Self {
            inner: Arc::new(MemoryStore::with_clock(clock.clone())),
            clock,
            failing: Mutex::default(),
            hanging: Mutex::default(),
            steps: Mutex::default(),
            lost: Mutex::default(),
            late: Mutex::default(),
            slow: Mutex::default(),
            asked: Mutex::default(),
            durable: AtomicBool::new(false),
            hints: None,
        }
    }

    /// The same store as another process has it: no hint of what others change comes there.
    pub(crate) fn of_another_process(&self) -> Store {
        Wrapping(Self {
            inner: Arc::clone(&self.inner),
            hints: Some(Arc::default()),
            ..Self::new()
        })
    }

    /// Makes a method fail as if the store were away; `"all"` is every method.
    pub(crate) fn fail(&self, method: &'static str) {
        self.failing.lock().unwrap().insert(method);
    }

    /// Makes a method never answer; `"all"` is every method.
    pub(crate) fn hang(&self, method: &'static str) {
        self.hanging.lock().unwrap().insert(method);
    }

    pub(crate) fn recover(&self) {
        self.failing.lock().unwrap().clear();
        self.hanging.lock().unwrap().clear();
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

    /// Has the answer to a read that finds a request in this phase be on its way for a while, after
    /// so many others of that phase.
    pub(crate) fn answer_late(&self, phase: Phase, after: u32, by: Duration) {
        *self.late.lock().unwrap() = Some((phase, after, by));
    }

    /// Has the next call of a method take so long; an opening is committed all the same.
    pub(crate) fn slow_down(&self, method: &'static str, by: Duration) {
        self.slow.lock().unwrap().insert(method, by);
    }

    /// What was asked about requests since this was last called, method by method.
    pub(crate) fn questions(&self) -> Vec<&'static str> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.retain(|method| {
            [
                "known",
                "open",
                "read",
                "deliveries",
                "read_with_deliveries",
            ]
            .contains(method)
        });
        asked
    }

    /// Has the gate believe that the store outlives its process.
    pub(crate) fn durable(&self) {
        self.durable.store(true, Ordering::SeqCst);
    }

    fn lateness(&self, found: Phase) -> Option<Duration> {
        let mut late = self.late.lock().unwrap();
        let (_, after, by) = late.as_mut().filter(|(phase, ..)| *phase == found)?;
        if *after > 0 {
            *after -= 1;
            return None;
        }
        let by = *by;
        *late = None;
        Some(by)
    }

    fn answering(&self, method: &'static str) -> Result<(), StoreError> {
        let failing = self.failing.lock().unwrap();
        if failing.contains(method) || failing.contains("all") {
            return Err(StoreError::Unreachable("the network is down".to_owned()));
        }
        Ok(())
    }

    fn hangs(&self, method: &'static str) -> bool {
        let hanging = self.hanging.lock().unwrap();
        hanging.contains(method) || hanging.contains("all")
    }

    fn step(&self, at: When, of: Phase) -> Option<Step> {
        let mut steps = self.steps.lock().unwrap();
        let found = steps
            .iter()
            .position(|(when, phase, _)| (*when, *phase) == (at, of))?;
        Some(steps.remove(found).2)
    }
}

impl WrapsStore for Failing {
    fn inner(&self) -> &dyn RequestStore {
        &*self.inner
    }

    fn hints(&self) -> &Arc<Hints> {
        self.hints.as_ref().unwrap_or_else(|| self.inner.hints())
    }

    fn is_durable(&self) -> bool {
        self.durable.load(Ordering::SeqCst)
    }

    async fn around<T: Send>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.asked.lock().unwrap().push(method.name());
        self.answering(method.name())?;
        if self.hangs(method.name()) {
            return std::future::pending().await;
        }
        call.await
    }

    async fn open(&self, opening: Opening, all: Vec<Delivery>) -> Result<Opened, StoreError> {
        let slow = self.slow.lock().unwrap().remove("open");
        let Some(by) = slow else {
            return self.inner.open(opening, all).await;
        };
        let inner = Arc::clone(&self.inner);
        let committing = tokio::spawn(async move {
            tokio::time::sleep(by).await;
            inner.open(opening, all).await
        });
        committing.await.unwrap()
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        let slow = self.slow.lock().unwrap().remove("copies_due");
        if let Some(by) = slow {
            tokio::time::sleep(by).await;
        }
        self.inner.copies_due(channel, limit).await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let read = self.inner.read(id).await;
        if let Ok(Some(snapshot)) = &read
            && let Some(by) = self.lateness(snapshot.record.state.phase())
        {
            tokio::time::sleep(by).await;
        }
        read
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let slow = self.slow.lock().unwrap().remove("read_with_deliveries");
        if let Some(by) = slow {
            tokio::time::sleep(by).await;
        }
        let read = self.inner.read_with_deliveries(id).await;
        if let Ok(Some(seen)) = &read
            && let Some(by) = self.lateness(seen.snapshot.record.state.phase())
        {
            tokio::time::sleep(by).await;
        }
        read
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let phase = swap.record.state.phase();
        if let Some(step) = self.step(When::Before, phase) {
            step.await;
        }
        let swapped = self.inner.compare_and_swap(swap).await?;
        if let (Swapped::Done { record, .. }, Some(hints)) = (&swapped, &self.hints) {
            hints.changed(record.id());
        }
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
}
