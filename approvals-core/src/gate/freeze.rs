//! Whether an operator has stopped everything, as this gate last read it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::error::{ApprovalError, Kind};

/// The flag as last read. A gate that has not read it for `staleness` counts as frozen.
#[derive(Debug)]
pub(crate) struct FreezeView {
    started: Instant,
    staleness: Duration,
    frozen: AtomicU8,
    /// Milliseconds from `started` to when the flag was read, plus one; 0 when it never was.
    read_at: AtomicU64,
}

impl FreezeView {
    pub(super) fn new(staleness: Duration) -> Self {
        Self {
            started: Instant::now(),
            staleness,
            frozen: AtomicU8::new(1),
            read_at: AtomicU64::new(0),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes note of a reading that was asked for at `asked`.
    pub(super) fn note(&self, frozen: bool, asked: Instant) {
        let at = asked.duration_since(self.started).as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        self.frozen.store(u8::from(frozen), Ordering::Release);
        self.read_at.fetch_max(at, Ordering::Release);
    }

    /// `Some(frozen)`, or `None` when the reading is too old to go by.
    pub(super) fn fresh(&self) -> Option<bool> {
        let read_at = self.read_at.load(Ordering::Acquire).checked_sub(1)?;
        let age = Duration::from_millis(self.elapsed().saturating_sub(read_at));
        (age < self.staleness).then(|| self.frozen.load(Ordering::Acquire) != 0)
    }
}

impl Shared {
    /// Reads the flag from the store.
    pub(super) async fn read_freeze(&self) -> Result<bool, crate::store::StoreError> {
        let asked = Instant::now();
        let frozen = self.store().freeze().await?.is_some();
        self.freeze.note(frozen, asked);
        Ok(frozen)
    }

    /// Refuses while frozen, and when the flag could not be read for too long.
    pub(super) async fn refuse_if_frozen(&self) -> Result<(), ApprovalError> {
        let frozen = match self.freeze.fresh() {
            Some(frozen) => frozen,
            None => match self.read_freeze().await {
                Ok(frozen) => frozen,
                Err(error) => {
                    return Err(ApprovalError::unavailable(
                        "the store, which says whether the gate is frozen,",
                        error,
                    ));
                }
            },
        };
        if frozen { Err(frozen_error()) } else { Ok(()) }
    }
}

pub(super) fn frozen_error() -> ApprovalError {
    ApprovalError::new(Kind::Frozen, "an operator has frozen the gate")
}
