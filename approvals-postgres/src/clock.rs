//! The store's time: PostgreSQL's clock, made to never decrease by what was committed before.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::{Clock, ClockError, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::literal::Values;
use crate::parameters::Parameters;

/// How far two clocks may drift apart between two readings.
const TOLERANCE: Duration = Duration::from_secs(2);

/// A reading that was answered within so long says when it was made.
const PROMPT: Duration = Duration::from_millis(200);

/// Within so long two clocks that are right do not drift apart by what is tolerated.
const DRIFTS_AFTER: Duration = Duration::from_secs(600);

/// Puts `reading` (the server's time, or the one given as `$1`) and `time` (never less than what
/// was committed, or what this process was told: `$2`) before a statement.
///
/// A statement begins after the statement before it, so the time that it reads is later than
/// every lock that was taken before it.
macro_rules! timed {
    ($($statement:expr),+) => {
        concat!(
            "WITH reading AS MATERIALIZED (SELECT coalesce($1, floor(extract(epoch FROM \
             clock_timestamp()) * 1000)::bigint) AS clock, latest, last_event FROM head LIMIT 1), \
             time AS MATERIALIZED (SELECT *, greatest(clock, latest, $2) AS now FROM reading) ",
            $($statement),+
        )
    };
}
pub(crate) use timed;

/// Where the store's time comes from.
pub(crate) struct StoreTime {
    source: Source,
    /// The latest time that this process was told, in milliseconds.
    told: AtomicU64,
}

enum Source {
    /// PostgreSQL's clock, held against this process's monotonic clock.
    Server(Mutex<Option<Reading>>),
    /// A test's.
    Injected(Arc<dyn Clock>),
}

/// A reading of the server's clock, made between two moments of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Reading {
    clock: u64,
    asked: Instant,
    answered: Instant,
}

impl fmt::Debug for StoreTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = Timestamp::from_millis(self.told.load(Ordering::Relaxed));
        f.debug_tuple("StoreTime").field(&told).finish()
    }
}

/// What a statement with [`timed!`] is given as its first two parameters, and when it was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) given: Option<i64>,
    pub(crate) told: i64,
    at: Instant,
}

/// What the server's clock has to be between to be trusted without a look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trusted {
    /// The latest time that this process was told.
    pub(crate) told: Timestamp,
    /// What a clock that goes on as fast as ours cannot have passed yet.
    pub(crate) latest: Timestamp,
}

impl Asked {
    /// The first two parameters.
    pub(crate) fn values(self) -> Values {
        Values::default().number(self.given).number(self.told)
    }
}

impl StoreTime {
    pub(crate) fn new(injected: Option<Arc<dyn Clock>>) -> Self {
        Self {
            source: injected.map_or_else(|| Source::Server(Mutex::default()), Source::Injected),
            told: AtomicU64::new(0),
        }
    }

    /// Whether it is read by the server, with the statement that asks for it.
    pub(crate) const fn is_the_servers(&self) -> bool {
        matches!(self.source, Source::Server(_))
    }

    /// What is known of the server's clock from before.
    pub(crate) fn trusted(&self) -> Option<Trusted> {
        let Source::Server(before) = &self.source else {
            return None;
        };
        let earlier = (*before.lock().unwrap_or_else(|e| e.into_inner()))?;
        let since = earlier.asked.elapsed();
        let most = u64::try_from((since + TOLERANCE).as_millis()).ok()?;
        let latest = earlier.clock.checked_add(most)?;
        (since < DRIFTS_AFTER).then(|| Trusted {
            told: Timestamp::from_millis(self.told.load(Ordering::Acquire)),
            latest: Timestamp::from_millis(latest),
        })
    }

    /// To be called after whatever locks the time has to come after, unless the server reads it.
    pub(crate) fn ask(&self) -> Result<Asked, ClockError> {
        let given = match &self.source {
            Source::Server(_) => None,
            Source::Injected(clock) => Some(stored(clock.now()?.as_millis())),
        };
        Ok(Asked {
            given,
            told: stored(self.told.load(Ordering::Acquire)),
            at: Instant::now(),
        })
    }

    /// The time of a row that has the columns `clock`, `latest` and `now`.
    pub(crate) fn of(&self, row: &PgRow, asked: Asked) -> Result<Timestamp, Failure> {
        let (clock, latest) = (millis(row, "clock")?, millis(row, "latest")?);
        let now = millis(row, "now")?;
        self.judge(clock, latest.max(unsigned(asked.told)), asked.at)?;
        self.told.fetch_max(now, Ordering::AcqRel);
        Ok(Timestamp::from_millis(now))
    }

    /// Whether the clock can be trusted: it has to go on where it was, as fast as ours.
    fn judge(&self, clock: u64, latest: u64, asked: Instant) -> Result<(), ClockError> {
        let back = latest.saturating_sub(clock);
        if u128::from(back) > TOLERANCE.as_millis() {
            return Err(jumped("back", back));
        }
        let Source::Server(before) = &self.source else {
            return Ok(());
        };
        let reading = Reading {
            clock,
            asked,
            answered: Instant::now(),
        };
        let mut before = before.lock().unwrap_or_else(|e| e.into_inner());
        let Some(earlier) = before.replace(reading) else {
            return Ok(());
        };
        let most = reading
            .answered
            .saturating_duration_since(earlier.asked)
            .saturating_add(TOLERANCE);
        let went = clock.saturating_sub(earlier.clock);
        let ahead = u128::from(went).saturating_sub(most.as_millis());
        // Of an answer that took long, for a lock, nobody knows when in between it was read.
        let took = reading.answered.saturating_duration_since(asked);
        let since = reading.answered.saturating_duration_since(earlier.asked);
        if ahead == 0 && took > PROMPT && since < DRIFTS_AFTER {
            *before = Some(earlier);
        }
        match u64::try_from(ahead) {
            Ok(0) => Ok(()),
            // An error once: what was due meanwhile is late.
            ahead => Err(jumped("ahead", ahead.unwrap_or(u64::MAX))),
        }
    }
}

const fn jumped(direction: &'static str, millis: u64) -> ClockError {
    ClockError::Jumped {
        direction,
        by: Duration::from_millis(millis),
    }
}

/// A number as PostgreSQL has it.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as PostgreSQL had it.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(row: &PgRow, column: &str) -> Result<u64, Failure> {
    Ok(unsigned(row.try_get::<i64, _>(column)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(clock: u64, latest: u64) -> (StoreTime, Result<(), ClockError>) {
        let time = StoreTime::new(None);
        let judged = time.judge(clock, latest, Instant::now());
        (time, judged)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_behind_what_was_committed_is_an_error_until_it_has_caught_up() {
        let hour = 3_600_000;
        let (time, judgment) = judged(10 * hour, 11 * hour);
        assert_eq!(judgment, Err(jumped("back", hour)));
        let at = Instant::now();
        assert_eq!(time.judge(11 * hour - 1_500, 11 * hour, at), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_jumps_ahead_is_an_error_once() {
        let (time, judgment) = judged(1_000_000, 0);
        assert_eq!(judgment, Ok(()));
        tokio::time::advance(Duration::from_secs(60)).await;
        let at = Instant::now();
        assert_eq!(time.judge(1_060_500, 0, at), Ok(()));
        assert_eq!(
            time.judge(4_660_500, 0, at),
            Err(jumped("ahead", 3_598_000))
        );
        assert_eq!(time.judge(4_660_600, 0, at), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_after_an_answer_that_waited_for_a_lock_is_an_error_too() {
        let (time, _) = judged(1_000_000, 0);
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(time.judge(1_030_000, 0, asked), Ok(()));
        let at = Instant::now();
        assert_eq!(time.judge(1_040_000, 0, at), Err(jumped("ahead", 8_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_is_no_jump() {
        let (time, _) = judged(1_000_000, 0);
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(30)).await;
        // It was asked at once and read the clock just before it answered.
        assert_eq!(time.judge(1_030_000, 0, asked), Ok(()));
    }
}
