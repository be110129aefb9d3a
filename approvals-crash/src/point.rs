//! Named points at which a process ends itself, as if it were killed right there.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Random;

/// What a process does at a point, by the names of the store's methods; `effect` is the body's line.
const PLACES: [(&str, u64); 11] = [
    ("open", 4),
    ("read", 10),
    ("compare_and_swap", 12),
    ("compare_and_swap", 12),
    ("compare_and_swap", 12),
    ("effect", 3),
    ("effect", 3),
    ("due", 4),
    ("note_delivery", 4),
    ("append", 2),
    ("lease", 2),
];

/// What a reviewer does.
const OF_REVIEWERS: [(&str, u64); 4] = [
    ("read", 8),
    ("compare_and_swap", 8),
    ("compare_and_swap", 8),
    ("decision", 8),
];

/// What an operator does.
const OF_OPERATORS: [(&str, u64); 5] = [
    ("compare_and_swap", 4),
    ("compare_and_swap", 4),
    ("set_freeze", 3),
    ("operation", 4),
    ("read", 8),
];

/// When, relative to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    /// So long after it began, unless it is over earlier.
    During(Duration),
    After,
}

/// The n-th call of one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    place: String,
    nth: u64,
    when: When,
}

impl Point {
    pub(crate) fn of_agent(random: &mut Random) -> Option<Self> {
        Self::among(&PLACES, random)
    }

    pub(crate) fn of_reviewer(random: &mut Random) -> Option<Self> {
        Self::among(&OF_REVIEWERS, random)
    }

    pub(crate) fn of_operator(random: &mut Random) -> Option<Self> {
        Self::among(&OF_OPERATORS, random)
    }

    fn among(places: &[(&str, u64)], random: &mut Random) -> Option<Self> {
        let (place, most) = random.one_of(places)?;
        let nth = random.below(*most) + 1;
        let when = match random.below(3) {
            0 => When::Before,
            1 => When::During(random.within(Duration::from_millis(3))),
            _ => When::After,
        };
        Some(Self {
            place: (*place).to_owned(),
            nth,
            when,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.place, self.nth)?;
        match self.when {
            When::Before => f.write_str("before"),
            When::After => f.write_str("after"),
            When::During(span) => write!(f, "{}", span.as_micros()),
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is no point: write `compare_and_swap/3/after`");
        let mut parts = text.split('/');
        let (Some(place), Some(nth), Some(when), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        Ok(Self {
            place: place.to_owned(),
            nth: nth.parse().map_err(|_| malformed())?,
            when: match when {
                "before" => When::Before,
                "after" => When::After,
                micros => When::During(Duration::from_micros(
                    micros.parse().map_err(|_| malformed())?,
                )),
            },
        })
    }
}

/// Counts calls, and ends the process at its point.
#[derive(Debug, Default)]
pub(crate) struct Points {
    point: Option<Point>,
    calls: Mutex<HashMap<&'static str, u64>>,
}

impl Points {
    pub(crate) fn new(point: Option<Point>) -> Self {
        Self {
            point,
            calls: Mutex::default(),
        }
    }

    /// Carries a call out, unless the process ends at it.
    pub(crate) async fn pass<T>(&self, place: &'static str, call: impl Future<Output = T>) -> T {
        let Some(when) = self.arrives(place) else {
            return call.await;
        };
        match when {
            When::Before => {}
            When::During(span) => {
                // Whether it was over by then does not matter.
                let _ = tokio::time::timeout(span, call).await;
            }
            When::After => {
                call.await;
            }
        }
        // Nothing is unwound and nothing is flushed, as with SIGKILL.
        std::process::abort();
    }

    fn arrives(&self, place: &'static str) -> Option<When> {
        let point = self.point.as_ref().filter(|point| point.place == place)?;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(place).or_default();
        *count += 1;
        (*count == point.nth).then_some(point.when)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_survive_text() {
        let mut random = Random::new(1);
        for _ in 0..100 {
            let point = Point::of_agent(&mut random).unwrap();
            assert_eq!(point.to_string().parse(), Ok(point));
        }
    }
}
