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
    /// Readings that were begun.
    readings: AtomicU64,
    /// Twice the latest reading's number, plus one when it said frozen.
    latest: AtomicU64,
    /// Milliseconds from `started` to when the flag was read, plus one; 0 when it never was.
    read_at: AtomicU64,
}

impl FreezeView {
    pub(super) fn new(staleness: Duration) -> Self {
        Self {
            started: Instant::now(),
            staleness,
            readings: AtomicU64::new(0),
            latest: AtomicU64::new(1),
            read_at: AtomicU64::new(0),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes note of a reading that was asked for at `asked`. Readings may end in another order
    /// than they began in: an older one does not lift a freeze that a later one found.
    fn note(&self, reading: u64, frozen: bool, asked: Instant) {
        let at = asked.duration_since(self.started).as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        let latest = reading.saturating_mul(2).saturating_add(u64::from(frozen));
        self.latest.fetch_max(latest, Ordering::AcqRel);
        self.read_at.fetch_max(at, Ordering::Release);
    }

    /// `Some(frozen)`, or `None` when the reading is too old to go by.
    pub(super) fn fresh(&self) -> Option<bool> {
        let read_at = self.read_at.load(Ordering::Acquire).checked_sub(1)?;
        let age = Duration::from_millis(self.elapsed().saturating_sub(read_at));
        (age < self.staleness).then(|| self.latest.load(Ordering::Acquire) % 2 == 1)
    }
}

impl Shared {
    /// Reads the flag from the store.
    pub(super) async fn read_freeze(&self) -> Result<bool, crate::store::StoreError> {
        let asked = Instant::now();
        let reading = 1 + self.freeze.readings.fetch_add(1, Ordering::AcqRel);
        let frozen = self.store().freeze().await?.is_some();
        self.freeze.note(reading, frozen, asked);
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
