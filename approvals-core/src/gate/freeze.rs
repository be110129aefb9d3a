//! Whether an operator has stopped everything, as this gate last read it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::error::{ApprovalError, Kind};

/// The flag as last read. A gate that has not read it for `staleness` counts as frozen.
#[derive(Debug)]
pub(crate) struct FreezeView {
    started: Instant,
    staleness: Duration,
    /// The latest reading: when it was asked for, in milliseconds from `started` plus one, and in
    /// the lowest bit whether it said frozen. 0 when there is none. Readings overtake each other;
    /// the one that was asked for last stands, and of two in one millisecond the frozen one.
    reading: AtomicU64,
}

impl FreezeView {
    pub(super) fn new(staleness: Duration) -> Self {
        Self {
            started: Instant::now(),
            staleness,
            reading: AtomicU64::new(0),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes note of a reading that was asked for at `asked`.
    pub(super) fn note(&self, frozen: bool, asked: Instant) {
        let at = asked.duration_since(self.started).as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX >> 2).saturating_add(1);
        let reading = (at << 1) | u64::from(frozen);
        self.reading.fetch_max(reading, Ordering::AcqRel);
    }

    /// `Some(frozen)`, or `None` when the reading is too old to go by.
    pub(super) fn fresh(&self) -> Option<bool> {
        let reading = self.reading.load(Ordering::Acquire);
        let read_at = (reading >> 1).checked_sub(1)?;
        let age = Duration::from_millis(self.elapsed().saturating_sub(read_at));
        (age < self.staleness).then_some(reading & 1 == 1)
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
