//! Callbacks that came already.
//!
//! A signature has no nonce, so the same bytes would be good for as long as their timestamp is. What
//! was acted on is remembered for longer than that. Only signatures that were verified come here, so
//! nobody else can fill it. The store's own memory stands behind it, also in other processes: a vote
//! that is older than its voter's last word is refused there.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_core::Timestamp;

use crate::signature::Tag;

/// Twice as long as a signature is good in either direction.
const MEMORY: Duration = Duration::from_secs(1_200);

#[derive(Debug, Default)]
pub(crate) struct Replays(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    tags: HashSet<Tag>,
    order: VecDeque<(Timestamp, Tag)>,
}

impl Replays {
    /// Whether this is the first time.
    pub(crate) fn is_new(&self, tag: Tag, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((at, old)) = seen.order.front().copied() {
            if now.since(at) <= MEMORY {
                break;
            }
            seen.order.pop_front();
            seen.tags.remove(&old);
        }
        let new = seen.tags.insert(tag);
        if new {
            seen.order.push_back((now, tag));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_new_once_for_longer_than_it_is_good() {
        let replays = Replays::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        assert!(replays.is_new([1; 32], at(0)));
        assert!(replays.is_new([2; 32], at(600)));
        assert!(!replays.is_new([1; 32], at(600)));
        assert!(!replays.is_new([1; 32], at(1_200)));
        assert!(replays.is_new([1; 32], at(1_201)));
        assert!(!replays.is_new([2; 32], at(1_201)));
    }
}
