//! The store's time: the host's, held against what was committed before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::store::StoreError;
use approvals_core::{Clock, ClockError, Timestamp};

/// How far the clock may be behind the latest commit: clocks are slewed, and processes on one
/// machine read them one after the other.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Time that never decreases: not in this process, and not below what any process committed.
#[derive(Debug)]
pub(crate) struct StoreClock {
    clock: Arc<dyn Clock>,
    /// The latest time that was told in this process, in milliseconds.
    told: AtomicU64,
}

impl StoreClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            told: AtomicU64::new(0),
        }
    }

    /// The time now, where `committed` is that of the latest commit.
    ///
    /// Invariant 9: a clock that was set back would make what is late punctual again, so that
    /// nothing is judged by it until it has caught up.
    pub(crate) fn now(&self, committed: Timestamp) -> Result<Timestamp, StoreError> {
        let host = self.clock.now()?;
        let told = Timestamp::from_millis(self.told.load(Ordering::Acquire));
        let before = committed.max(told);
        let behind = before.since(host);
        if behind > TOLERANCE {
            return Err(StoreError::Clock(ClockError::Jumped {
                direction: "back",
                by: behind,
            }));
        }
        let now = host.max(before);
        self.told.fetch_max(now.as_millis(), Ordering::AcqRel);
        Ok(now)
    }

    /// The time now, as far as this process knows: for a query that tells the time of the latest
    /// commit, by which it is judged afterwards.
    pub(crate) fn guess(&self) -> Result<Timestamp, StoreError> {
        self.now(Timestamp::from_millis(0))
    }
}

#[cfg(test)]
mod tests {
    use approvals_testing::ManualClock;

    use super::*;

    #[test]
    fn time_never_goes_below_what_was_committed_or_told() {
        let start = Timestamp::from_millis(10_000_000);
        let hands = Arc::new(ManualClock::at(start));
        let clock = StoreClock::new(hands.clone());
        let committed = start.plus(Duration::from_secs(1));
        assert_eq!(clock.now(committed).unwrap(), committed);
        assert_eq!(clock.guess().unwrap(), committed);
        hands.jump_back(Duration::from_secs(3600));
        assert!(matches!(clock.guess(), Err(StoreError::Clock(_))));
        hands.set(start.plus(Duration::from_secs(5)));
        assert_eq!(clock.guess().unwrap(), start.plus(Duration::from_secs(5)));
        let other_process = start.plus(Duration::from_secs(60));
        assert!(matches!(
            clock.now(other_process),
            Err(StoreError::Clock(_))
        ));
    }
}
