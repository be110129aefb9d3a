//! Tokens that were verified before: one that comes again has the signature that it had.
//!
//! Nothing else about it is taken for granted. What depends on the time, on the keys of now or on
//! the activity is judged each time that it comes, as if it came first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::keys::Key;
use crate::token::Claims;

/// The most tokens that are remembered. Then the oldest makes room.
const MOST: usize = 256;

/// The SHA-256 of all of a token, so that one with another bit anywhere is another token, and none
/// can be taken out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

impl Fingerprint {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// What a token said whose signature was good, and by which key.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) claims: Claims,
    pub(crate) kid: String,
    pub(crate) key: Arc<Key>,
}

/// The tokens that were verified last. Only those: what anybody can make up is never in here.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tokens: HashMap<Fingerprint, Arc<Signed>>,
    /// The oldest first.
    order: VecDeque<Fingerprint>,
}

impl Verified {
    pub(crate) fn find(&self, token: &Fingerprint) -> Option<Arc<Signed>> {
        self.kept().tokens.get(token).cloned()
    }

    pub(crate) fn keep(&self, token: Fingerprint, signed: Arc<Signed>) {
        let mut kept = self.kept();
        if kept.tokens.insert(token, signed).is_none() {
            kept.order.push_back(token);
        }
        while kept.order.len() > MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.tokens.remove(&oldest);
        }
    }

    pub(crate) fn forget(&self, token: &Fingerprint) {
        let mut kept = self.kept();
        if kept.tokens.remove(token).is_some() {
            kept.order.retain(|other| other != token);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(kid: usize) -> Arc<Signed> {
        Arc::new(Signed {
            claims: Claims::default(),
            kid: kid.to_string(),
            key: Arc::new(Key::that_signs_nothing()),
        })
    }

    fn token(number: usize) -> Fingerprint {
        Fingerprint::of(&number.to_string())
    }

    #[test]
    fn the_oldest_token_makes_room_and_there_are_never_more_than_agreed() {
        let verified = Verified::default();
        for number in 0..3 * MOST {
            verified.keep(token(number), signed(number));
            // One that is kept again takes no second place.
            verified.keep(token(number), signed(number));
            let kept = verified.kept();
            assert!(kept.tokens.len() == kept.order.len() && kept.order.len() <= MOST);
        }
        for number in 0..3 * MOST {
            let found = verified.find(&token(number));
            let expected = (number >= 2 * MOST).then(|| number.to_string());
            assert_eq!(found.map(|signed| signed.kid.clone()), expected);
        }
    }

    #[test]
    fn what_is_forgotten_is_not_found_and_its_place_is_free() {
        let verified = Verified::default();
        (0..MOST).for_each(|number| verified.keep(token(number), signed(number)));
        verified.forget(&token(7));
        verified.forget(&token(7));
        assert!(verified.find(&token(7)).is_none());
        verified.keep(token(MOST), signed(MOST));
        assert!(verified.find(&token(0)).is_some() && verified.find(&token(MOST)).is_some());
        verified.keep(token(7), signed(7));
        assert!(verified.find(&token(0)).is_none() && verified.find(&token(7)).is_some());
    }
}
