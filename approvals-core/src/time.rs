//! Time as the store sees it: milliseconds since the Unix epoch, from one clock that never goes back.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in store time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The timestamp with this many milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later; the end of time when it would overflow.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// This much earlier; the epoch when it would underflow.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0 / 86_400_000, self.0 % 86_400_000);
        // Days to a civil date, counting years from March: Howard Hinnant, "chrono-compatible
        // low-level date algorithms".
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        if year > 9_999 {
            write!(f, "{}", year / 10_000)?;
        }
        // One piece of text: every request that is shown has several times in it.
        let [y1, y2, y3, y4] = digits(year);
        let ([m1, m2], [d1, d2]) = (digits(month), digits(day));
        let ([h1, h2], [n1, n2]) = (digits(millis / 3_600_000), digits(millis / 60_000 % 60));
        let ([s1, s2], [t1, t2, t3]) = (digits(millis / 1_000 % 60), digits(millis));
        let text = [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2,
            b'.', t1, t2, t3, b'Z',
        ];
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The last digits of a number in ASCII.
fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    digits
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the clock cannot be trusted now. Every judgment that needs the time is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The wall clock moved against the monotonic clock.
    #[error(
        "the clock jumped {direction} by {by:?} against the monotonic clock: set the host's time, then try again"
    )]
    Jumped {
        /// `"back"` or `"ahead"`.
        direction: &'static str,
        /// How far.
        by: Duration,
    },
    /// The clock could not be read.
    #[error("the clock cannot be read: {0}")]
    Unreadable(String),
}

/// Where a store takes its time from.
///
/// An implementation never returns less than it returned before.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    ///
    /// # Errors
    /// [`ClockError`] when the time cannot be trusted.
    fn now(&self) -> Result<Timestamp, ClockError>;
}

/// The host's clock, held against its monotonic clock.
///
/// A step back is an error until the wall clock has caught up with what was said before.
/// A step ahead (also a suspended machine) is an error once: what was due meanwhile is late.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    /// Wall minus monotonic milliseconds, as last accepted.
    offset: Mutex<i128>,
    latest: AtomicU64,
}

/// How far wall and monotonic clock may drift apart between two readings.
const TOLERANCE_MILLIS: i128 = 2_000;

impl SystemClock {
    /// A clock that trusts the host's time as it is now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            offset: Mutex::new(i128::from(wall_millis().unwrap_or(0))),
            latest: AtomicU64::new(0),
        }
    }

    fn judge(&self, wall: u64, elapsed: u64) -> Result<Timestamp, ClockError> {
        let mut offset = self.offset.lock().unwrap_or_else(|e| e.into_inner());
        let found = i128::from(wall) - i128::from(elapsed);
        let drift = found - *offset;
        let latest = self.latest.load(Ordering::Relaxed);
        if drift < -TOLERANCE_MILLIS && wall < latest {
            return Err(ClockError::Jumped {
                direction: "back",
                by: millis(-drift),
            });
        }
        *offset = found;
        if drift > TOLERANCE_MILLIS {
            return Err(ClockError::Jumped {
                direction: "ahead",
                by: millis(drift),
            });
        }
        let now = wall.max(latest);
        self.latest.store(now, Ordering::Relaxed);
        Ok(Timestamp(now))
    }
}

fn millis(n: i128) -> Duration {
    Duration::from_millis(u64::try_from(n).unwrap_or(u64::MAX))
}

fn wall_millis() -> Result<u64, ClockError> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|e| ClockError::Unreadable(e.to_string()))
        .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.judge(wall_millis()?, elapsed)
    }
}

/// A clock that follows tokio's, for tests with paused time: it starts at the host's time and then
/// moves only as `tokio::time` does.
#[derive(Debug)]
pub struct TokioClock {
    start: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that starts now. Needs no runtime, but follows a paused one only when made inside it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Timestamp(wall_millis().unwrap_or(0)),
            started: tokio::time::Instant::now(),
        }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Result<Timestamp, ClockError> {
        Ok(self.start.plus(self.started.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn a_step_back_is_an_error_until_the_clock_has_caught_up() {
        let clock = SystemClock::new();
        let base = wall_millis().unwrap() + 10;
        assert_eq!(
            clock.judge(base + 1_000, 1_000).unwrap(),
            Timestamp(base + 1_000)
        );
        assert!(matches!(
            clock.judge(base - 3_600_000, 2_000),
            Err(ClockError::Jumped {
                direction: "back",
                ..
            })
        ));
        assert!(clock.judge(base - 3_599_000, 3_000).is_err());
        assert_eq!(
            clock.judge(base + 4_000, 4_000).unwrap(),
            Timestamp(base + 4_000)
        );
    }

    #[test]
    fn a_step_ahead_is_an_error_once_and_time_never_decreases() {
        let clock = SystemClock::new();
        let base = wall_millis().unwrap() + 10;
        assert!(clock.judge(base + 60_000, 0).is_err());
        assert_eq!(
            clock.judge(base + 60_001, 1).unwrap(),
            Timestamp(base + 60_001)
        );
        // A small slew back is absorbed.
        assert_eq!(
            clock.judge(base + 59_500, 2).unwrap(),
            Timestamp(base + 60_001)
        );
    }
}
