//! What the arguments are compared with when they are captured again.

use std::sync::Arc;

use crate::call::{Arguments, Call};
use crate::digest::Digest;

/// The arguments that people are asked about, as the digest binds them.
///
/// Kept for every parked call, so it shares the record's call where it can.
#[derive(Debug, Clone)]
pub(super) enum Agreed {
    /// Nothing in them had to be masked: they stand in the call itself.
    Shown(Arc<Call>),
    /// Their hash. What was masked is kept nowhere.
    Hashed(Box<Digest>),
}

impl Agreed {
    /// Keeps the call where `shares` says that its record does so too, and no more than a hash
    /// otherwise. `unmasked` is the hash of the arguments from before they were masked, if they
    /// were.
    pub(super) fn new(call: &Arc<Call>, unmasked: Option<Digest>, shares: bool) -> Self {
        match unmasked {
            Some(unmasked) => Self::Hashed(Box::new(unmasked)),
            None if shares => Self::Shown(Arc::clone(call)),
            None => Self::Hashed(Box::new(call.arguments().digest())),
        }
    }

    /// The same without the call.
    pub(super) fn hashed(&self) -> Self {
        match self {
            Self::Shown(call) => Self::Hashed(Box::new(call.arguments().digest())),
            Self::Hashed(digest) => Self::Hashed(digest.clone()),
        }
    }

    /// Invariant 3: whether what will run is what was shown.
    pub(super) fn is(&self, again: &Arguments) -> bool {
        match self {
            // Two lists of arguments are equal when their names, how they are bound and every byte
            // of their canonical form are: all that the hash is taken over.
            Self::Shown(call) => call.arguments() == again,
            Self::Hashed(digest) => **digest == again.digest(),
        }
    }

    /// What was captured the first time, as far as it is kept.
    pub(super) fn first(&self) -> Option<&Arguments> {
        match self {
            Self::Shown(call) => Some(call.arguments()),
            Self::Hashed(_) => None,
        }
    }
}
