//! Messages of which nobody heard what became of them. Where a service takes no key by which it would
//! know a message again, a second one may be a copy.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many messages of one request in one place may be unheard of before the next has to wait.
const MOST_COPIES: usize = 5;
/// How long it then waits, and twice as long after each, up to an hour. Copies that are there answer
/// the request meanwhile.
const FIRST_WAIT: Duration = Duration::from_secs(5 * 60);
const SELDOM: Duration = Duration::from_secs(3_600);
/// How many places are remembered. Without it, more copies are made.
const MOST: usize = 50_000;

/// What this process posted and heard nothing of, by whatever it counts by.
#[derive(Debug)]
pub struct Unheard<K>(Mutex<HashMap<K, Posts>>);

/// How often, and when last.
#[derive(Debug, Clone, Copy)]
struct Posts {
    count: usize,
    last: Instant,
}

impl<K> Default for Unheard<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What may be in a place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Nothing: whatever was posted was heard of.
    None,
    /// So few that one more may be posted, once the service answers at all.
    Few,
    /// So many, that the next one has to wait so long after the last.
    TooMany {
        /// How many.
        copies: usize,
        /// How long.
        wait: Duration,
    },
}

impl Posts {
    /// How long after the last one the next may be posted, where there are too many.
    fn wait(&self) -> Option<Duration> {
        let past = self.count.checked_sub(MOST_COPIES)?;
        let doubled = u32::try_from(past)
            .ok()
            .and_then(|past| 2_u32.checked_pow(past));
        let wait = doubled.and_then(|times| FIRST_WAIT.checked_mul(times));
        Some(wait.unwrap_or(SELDOM).min(SELDOM))
    }
}

impl<K: Eq + Hash> Unheard<K> {
    fn all(&self) -> MutexGuard<'_, HashMap<K, Posts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be there.
    pub fn at(&self, place: &K) -> Copies {
        let all = self.all();
        let Some(posts) = all.get(place) else {
            return Copies::None;
        };
        match posts.wait() {
            Some(wait) if posts.last.elapsed() < wait => Copies::TooMany {
                copies: posts.count,
                wait,
            },
            Some(_) | None => Copies::Few,
        }
    }

    /// One more may be there. Returns how many that makes.
    pub fn one_more(&self, place: K) -> usize {
        let mut all = self.all();
        if all.len() >= MOST && !all.contains_key(&place) {
            all.retain(|_, posts| posts.last.elapsed() < SELDOM);
            if all.len() >= MOST {
                all.clear();
            }
        }
        let last = Instant::now();
        let posts = all.entry(place).or_insert(Posts { count: 0, last });
        *posts = Posts {
            count: posts.count.saturating_add(1),
            last,
        };
        posts.count
    }

    /// The last one was heard of, or nobody asks about any of them any more.
    pub fn heard(&self, place: &K) {
        self.all().remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_five_that_were_not_heard_of_each_waits_longer_and_an_hour_at_most() {
        let unheard = Unheard::default();
        assert_eq!(unheard.at(&"here"), Copies::None);
        for count in 1..5 {
            assert_eq!(unheard.one_more("here"), count);
            assert_eq!(unheard.at(&"here"), Copies::Few);
        }
        for (copies, minutes) in (5..).zip([5, 10, 20, 40, 60, 60]) {
            let wait = Duration::from_secs(minutes * 60);
            let too_many = Copies::TooMany { copies, wait };
            assert_eq!(unheard.one_more("here"), copies);
            assert_eq!(unheard.at(&"here"), too_many);
            tokio::time::advance(wait - Duration::from_secs(1)).await;
            assert_eq!(unheard.at(&"here"), too_many);
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(unheard.at(&"here"), Copies::Few);
        }
        assert_eq!(unheard.at(&"there"), Copies::None);
        unheard.heard(&"here");
        assert_eq!(unheard.at(&"here"), Copies::None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let unheard = Unheard::default();
        for number in 0..MOST + 5 {
            unheard.one_more(number);
        }
        assert_eq!(unheard.all().len(), 5);
        // One that is known makes no room.
        for number in 0..MOST - 5 {
            unheard.one_more(number);
        }
        assert_eq!(unheard.all().len(), MOST);
        unheard.one_more(3);
        assert_eq!(unheard.all().len(), MOST);
    }
}
