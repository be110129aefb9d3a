//! The argument that every shape has: others can change it while people are asked, and it counts
//! the bodies that ran.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use approvals_core::{Gate, Requester};
use serde::{Serialize, Serializer};

/// Shared, as an `Arc<Mutex<_>>` or a handle into a cache would be.
#[derive(Clone)]
pub(crate) struct Probe {
    shared: Arc<Shared>,
    /// For shapes that name their gate and their requester.
    named: Option<(Gate, Requester)>,
}

struct Shared {
    value: AtomicU64,
    bodies: AtomicUsize,
}

/// What every body returns.
pub(crate) const RESULT: u64 = 7;

impl Probe {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                value: AtomicU64::new(0),
                bodies: AtomicUsize::new(0),
            }),
            named: None,
        }
    }

    /// Called first thing in every body.
    pub(crate) fn ran(&self) -> u64 {
        self.shared.bodies.fetch_add(1, Ordering::Relaxed);
        RESULT
    }

    pub(crate) fn bodies(&self) -> usize {
        self.shared.bodies.load(Ordering::Relaxed)
    }

    /// What a caller does who still holds the argument.
    pub(crate) fn change(&self) {
        self.shared.value.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.shared.value.load(Ordering::Relaxed)
    }

    /// The same argument, with what a shape may name.
    pub(crate) fn naming(&self, gate: &Gate, requester: &Requester) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            named: Some((gate.clone(), requester.clone())),
        }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.named().0
    }

    pub(crate) fn requester(&self) -> &Requester {
        &self.named().1
    }

    fn named(&self) -> &(Gate, Requester) {
        self.named.as_ref().expect("the test names both")
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.value())
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value())
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({})", self.value())
    }
}
