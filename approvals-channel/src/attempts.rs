//! How often somebody may try something that costs others: each for themselves, and all together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many are counted one by one.
const MOST: usize = 10_000;

/// Counts attempts within spans of one length.
#[derive(Debug)]
pub struct Attempts<K> {
    each: u32,
    all: u32,
    within: Duration,
    counted: Mutex<Counted<K>>,
}

#[derive(Debug)]
struct Counted<K> {
    each: HashMap<K, Span>,
    all: Span,
}

/// Since when it is counted, and how many there were.
#[derive(Debug, Clone, Copy)]
struct Span(Instant, u32);

impl Span {
    /// Counts one more, from anew where the span is over.
    fn one_more(&mut self, now: Instant, within: Duration) -> u32 {
        if now >= self.0 + within {
            *self = Self(now, 0);
        }
        self.1 = self.1.saturating_add(1);
        self.1
    }
}

/// Whether one more attempt is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    Taken,
    /// It is not, and they are told so.
    TooMany,
    /// It is not, and they were told.
    Ignored,
}

impl<K: Eq + Hash> Attempts<K> {
    /// So many of one, and so many of all together, within a span.
    #[must_use]
    pub fn new(each: u32, all: u32, within: Duration) -> Self {
        let counted = Counted {
            each: HashMap::new(),
            all: Span(Instant::now(), 0),
        };
        Self {
            each,
            all,
            within,
            counted: Mutex::new(counted),
        }
    }

    /// One more attempt of somebody. Of what is too much of one alone, nothing counts for all: nobody
    /// keeps the others from it by themselves.
    pub fn one_more(&self, who: K) -> Turn {
        let now = Instant::now();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { each, all } = &mut *counted;
        if each.len() >= MOST {
            each.retain(|_, Span(since, _)| now < *since + self.within);
        }
        if each.len() >= MOST && !each.contains_key(&who) {
            return Turn::Ignored;
        }
        let own = each.entry(who).or_insert(Span(now, 0));
        let own = own.one_more(now, self.within);
        if own > self.each {
            return match own - self.each {
                1 => Turn::TooMany,
                _ => Turn::Ignored,
            };
        }
        match all.one_more(now, self.within) > self.all {
            true => Turn::TooMany,
            false => Turn::Taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn whoever_tries_without_end_is_told_once_and_keeps_nobody_else_from_it() {
        let attempts = Attempts::new(10, 15, MINUTE);
        let turns: Vec<Turn> = (0..1_000).map(|_| attempts.one_more("one")).collect();
        assert_eq!(turns[..10], [Turn::Taken; 10]);
        assert_eq!(turns[10..12], [Turn::TooMany, Turn::Ignored]);
        assert_eq!(turns[999], Turn::Ignored);
        assert_eq!(attempts.one_more("other"), Turn::Taken);
        tokio::time::advance(MINUTE).await;
        assert_eq!(attempts.one_more("one"), Turn::Taken);
    }

    #[tokio::test(start_paused = true)]
    async fn many_together_have_a_limit_of_their_own() {
        let attempts = Attempts::new(10, 15, MINUTE);
        let taken = |turn: &Turn| *turn == Turn::Taken;
        let turns = (0..100).map(|number| attempts.one_more(number));
        assert_eq!(turns.filter(taken).count(), 15);
        tokio::time::advance(MINUTE).await;
        assert_eq!(attempts.one_more(7), Turn::Taken);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let attempts = Attempts::new(1, u32::MAX, MINUTE);
        for number in 0..MOST + 5 {
            attempts.one_more(number);
        }
        assert_eq!(attempts.one_more(MOST + 7), Turn::Ignored);
        tokio::time::advance(MINUTE).await;
        assert_eq!(attempts.one_more(MOST + 7), Turn::Taken);
        assert_eq!(attempts.counted.lock().unwrap().each.len(), 1);
    }
}
