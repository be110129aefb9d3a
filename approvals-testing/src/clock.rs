//! A clock that a test sets.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use approvals_core::{Clock, ClockError, Timestamp};

/// A clock that moves only when it is told to, can fail, and can be made to misbehave.
///
/// ```
/// use std::time::Duration;
/// use approvals_core::{Clock, Timestamp};
/// use approvals_testing::ManualClock;
///
/// let clock = ManualClock::new();
/// let before = clock.now()?;
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now()?, before.plus(Duration::from_secs(60)));
/// # Ok::<(), approvals_core::ClockError>(())
/// ```
#[derive(Debug)]
pub struct ManualClock {
    hands: Mutex<Hands>,
}

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    failing: Option<ClockError>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock that stands at 2026-01-31T12:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_millis(1_769_860_800_000))
    }

    /// A clock that stands at this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            hands: Mutex::new(Hands { now, failing: None }),
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Moves the clock to this time, also to an earlier one.
    pub fn set(&self, now: Timestamp) {
        self.hands().now = now;
    }

    /// Moves the clock ahead.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now.plus(by);
    }

    /// Moves the clock back, which no honest [`Clock`] does: for stores, which must not show it.
    pub fn jump_back(&self, by: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now.minus(by);
    }

    /// Makes every reading this error, or stops doing so.
    pub fn fail(&self, error: Option<ClockError>) {
        self.hands().failing = error;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        let hands = self.hands();
        match &hands.failing {
            None => Ok(hands.now),
            Some(error) => Err(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_goes_where_it_is_told_and_fails_when_it_is_told() {
        let clock = ManualClock::at(Timestamp::from_millis(10_000));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Ok(Timestamp::from_millis(15_000)));
        clock.jump_back(Duration::from_secs(10));
        assert_eq!(clock.now(), Ok(Timestamp::from_millis(5_000)));
        clock.fail(Some(ClockError::Unreadable("no".to_owned())));
        assert!(clock.now().is_err());
        clock.fail(None);
        clock.set(Timestamp::from_millis(7));
        assert_eq!(clock.now(), Ok(Timestamp::from_millis(7)));
    }
}
