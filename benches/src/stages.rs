//! A store that notes when each step of a call's way to its body was taken.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use approvals_core::memory::MemoryStore;
use approvals_core::review::Phase;
use approvals_core::store::{Seen, Swap, Swapped};
use approvals_core::{RequestId, RequestStore, StoreError};
use approvals_testing::wrapping::WrapsStore;

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
    pub fn stages(&self, cast: Instant, body: Instant) -> Option<[(&'static str, Duration); 6]> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |step: Step, from: Instant| {
            let found = notes
                .iter()
                .find(|(noted, at)| *noted == step && *at >= from);
            found.map(|(_, at)| *at)
        };
        let judged = first(Step::Storing(Phase::Approved), cast)?;
        let committed = first(Step::Stored(Phase::Approved), judged)?;
        let woken = first(Step::Read, committed)?;
        let captured = first(Step::Storing(Phase::Executing), woken)?;
        let started = first(Step::Stored(Phase::Executing), captured)?;
        Some([
            ("vote: read, who voted, judged", judged - cast),
            ("vote stored", committed - judged),
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

impl WrapsStore for NotingStore {
    fn inner(&self) -> &dyn RequestStore {
        &self.inner
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        self.note(Step::Read);
        self.inner.read_with_deliveries(id).await
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let phase = swap.record.state.phase();
        self.note(Step::Storing(phase));
        let swapped = self.inner.compare_and_swap(swap).await;
        self.note(Step::Stored(phase));
        swapped
    }
}
