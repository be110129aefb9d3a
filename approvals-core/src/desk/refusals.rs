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
    /// Whether a refusal is one that was not recorded yet. From here on it was.
    pub(super) fn is_new(
        &self,
        request: RequestId,
        identity: &ChannelIdentity,
        choice: Choice,
        why: &str,
    ) -> bool {
        let said = self.hashing.hash_one((choice, why));
        let mut kept = self.kept();
        let Kept { recorded, order } = &mut *kept;
        let refusals = match recorded.entry((request, identity.clone())) {
            Entry::Occupied(refusals) => refusals.into_mut(),
            Entry::Vacant(free) => {
                order.push_back(free.key().clone());
                free.insert(HashSet::new())
            }
        };
        let is_new = refusals.len() < EACH && refusals.insert(said);
        while order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            recorded.remove(&oldest);
        }
        is_new
    }

    /// A refusal could not be recorded: the next one is, if it can.
    pub(super) fn forget(
        &self,
        request: RequestId,
        identity: &ChannelIdentity,
        choice: Choice,
        why: &str,
    ) {
        let said = self.hashing.hash_one((choice, why));
        let whose = (request, identity.clone());
        if let Some(refusals) = self.kept().recorded.get_mut(&whose) {
            refusals.remove(&said);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
        let new = |request: u8, user, choice, why: &str| {
            let request = RequestId::from_bytes([request; 16]);
            refusals.is_new(request, &identity(user), choice, why)
        };
        assert!(new(1, 1, Choice::Approve, "a guest"));
        assert!(!new(1, 1, Choice::Approve, "a guest"));
        assert!(new(1, 1, Choice::Deny, "a guest"));
        assert!(new(2, 1, Choice::Approve, "a guest"));
        assert!(new(1, 2, Choice::Approve, "a guest"));
        let different = (0..1_000).filter(|n| new(3, 1, Choice::Approve, &n.to_string()));
        assert_eq!(different.count(), EACH);
    }

    #[test]
    fn one_that_could_not_be_recorded_is_new_again_and_the_oldest_make_room() {
        let refusals = Refusals::default();
        let request = RequestId::from_bytes([1; 16]);
        let new = |user| refusals.is_new(request, &identity(user), Choice::Approve, "a guest");
        assert!(new(0) && !new(0));
        refusals.forget(request, &identity(0), Choice::Approve, "a guest");
        assert!(new(0));
        assert!((1..=MOST).all(new));
        assert!(!new(1) && new(0), "only the oldest made room");
        let kept = refusals.kept();
        assert_eq!((kept.recorded.len(), kept.order.len()), (MOST, MOST));
    }
}
