//! Refused votes that are in the trail already: whoever may not vote cannot fill it by clicking.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::RequestId;
use crate::principal::ChannelIdentity;
use crate::review::Choice;

/// Of how many identities, each on one request, refusals are remembered. Then the oldest make room.
const MOST: usize = 10_000;
/// How many different refusals of one identity on one request are recorded.
const EACH: usize = 16;

/// What this process recorded. Another process records the same refusal once more.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kept: Mutex<Kept>,
    hashing: RandomState,
}

type Whose = (RequestId, ChannelIdentity);

#[derive(Debug, Default)]
struct Kept {
    recorded: HashMap<Whose, HashSet<u64>>,
    /// The oldest first.
    order: VecDeque<Whose>,
}

impl Refusals {
    /// Begins to record a refusal, if it is one that was not recorded yet. However many others there
    /// were, that somebody voted on a request of their own is told.
    pub(super) fn begin(
        &self,
        whose: Whose,
        choice: Choice,
        why: &str,
        own_request: bool,
    ) -> Option<Noting<'_>> {
        let said = self.hashing.hash_one((choice, why));
        let mut kept = self.kept();
        let Kept { recorded, order } = &mut *kept;
        let refusals = match recorded.entry(whose.clone()) {
            Entry::Occupied(refusals) => refusals.into_mut(),
            Entry::Vacant(free) => {
                order.push_back(free.key().clone());
                free.insert(HashSet::new())
            }
        };
        let is_new = (own_request || refusals.len() < EACH) && refusals.insert(said);
        while order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            recorded.remove(&oldest);
        }
        is_new.then(|| Noting {
            refusals: self,
            whose,
            said,
            is_recorded: false,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal that is being recorded. Dropped before it was, the next one is recorded instead.
#[derive(Debug)]
pub(super) struct Noting<'a> {
    refusals: &'a Refusals,
    whose: Whose,
    said: u64,
    is_recorded: bool,
}

impl Noting<'_> {
    pub(super) fn recorded(mut self) {
        self.is_recorded = true;
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if !self.is_recorded
            && let Some(refusals) = self.refusals.kept().recorded.get_mut(&self.whose)
        {
            refusals.remove(&self.said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChannelId;

    fn identity(user: usize) -> ChannelIdentity {
        ChannelIdentity::new(ChannelId::new("slack").unwrap(), "T", &user.to_string())
    }

    #[test]
    fn a_refusal_is_new_once_and_different_ones_come_to_an_end() {
        let refusals = Refusals::default();
        let begin = |request: u8, user, choice, why: &str, own| {
            let whose = (RequestId::from_bytes([request; 16]), identity(user));
            let noting = refusals.begin(whose, choice, why, own);
            noting.map(Noting::recorded).is_some()
        };
        let new = |request, user, choice, why: &str| begin(request, user, choice, why, false);
        assert!(new(1, 1, Choice::Approve, "a guest"));
        assert!(!new(1, 1, Choice::Approve, "a guest"));
        assert!(new(1, 1, Choice::Deny, "a guest"));
        assert!(new(2, 1, Choice::Approve, "a guest"));
        assert!(new(1, 2, Choice::Approve, "a guest"));
        let different = (0..1_000).filter(|n| new(3, 1, Choice::Approve, &n.to_string()));
        assert_eq!(different.count(), EACH);
        let own = || begin(3, 1, Choice::Approve, "alice has a part in it", true);
        assert!(own() && !own(), "no noise hides it");
    }

    #[test]
    fn one_that_could_not_be_recorded_is_new_again_and_the_oldest_make_room() {
        let refusals = Refusals::default();
        let request = RequestId::from_bytes([1; 16]);
        let begin = |user| {
            let whose = (request, identity(user));
            refusals.begin(whose, Choice::Approve, "a guest", false)
        };
        let new = |user| begin(user).map(Noting::recorded).is_some();
        // The store did not take it, or whoever clicked had gone by then.
        assert!(begin(0).is_some());
        assert!(new(0) && !new(0));
        assert!((1..=MOST).all(new));
        assert!(!new(1) && new(0), "only the oldest made room");
        let kept = refusals.kept();
        assert_eq!((kept.recorded.len(), kept.order.len()), (MOST, MOST));
    }
}
