//! Where a request was posted: what a receipt keeps, and what this process remembers beside it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use approvals_core::{Phase, Receipt, Record, RequestId};
use serde::{Deserialize, Serialize};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Copy {
    /// Whom it was meant for: the id that it was posted to.
    pub to: String,
    /// The conversation that it is in.
    pub conversation: String,
    /// Its name there.
    #[serde(rename = "ts")]
    pub message: String,
    /// Whom it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
}

/// Where a request's tracks stand: which stage of each is open, and which were widened. Others may
/// be asked when it changes.
type Stages = Vec<(u8, u16)>;

/// What a receipt holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    v: u8,
    /// The messages.
    pub copies: Vec<Copy>,
    /// Where the request stood when everybody who was asked had one.
    #[serde(default)]
    stages: Stages,
}

impl Handle {
    /// These messages, for whoever is asked now.
    #[must_use]
    pub fn of(copies: Vec<Copy>, record: &Record) -> Self {
        Self {
            v: 1,
            copies,
            stages: stages(record),
        }
    }

    /// The handle in a receipt; nothing where it is not one of this channel's.
    #[must_use]
    pub fn read(receipt: &Receipt) -> Option<Self> {
        let Some(text) = receipt.as_str() else {
            return Some(Self {
                v: 1,
                copies: Vec::new(),
                stages: Stages::new(),
            });
        };
        let handle: Self = serde_json::from_str(text).ok()?;
        (handle.v == 1).then_some(handle)
    }

    /// What a store keeps so that these messages are found again.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        if self.copies.is_empty() {
            return Receipt::none();
        }
        // Strings and numbers: nothing that cannot be written.
        Receipt::handle(&serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether others may be asked by now than those who have messages.
    #[must_use]
    pub fn asks_others(&self, record: &Record) -> bool {
        !self.copies.is_empty()
            && record.state.phase() == Phase::Pending
            && self.stages != stages(record)
    }
}

fn stages(record: &Record) -> Stages {
    record
        .progress
        .iter()
        .map(|p| (p.open, p.widened))
        .collect()
}

/// How many requests, and how many messages, are remembered.
const MOST: usize = 50_000;

/// What this process knows about its messages. None of it is needed: without it, more copies are
/// posted and more updates sent.
#[derive(Debug)]
pub struct Memory<P> {
    underway: Mutex<HashMap<RequestId, HashMap<String, P>>>,
    known: Mutex<HashSet<(String, String)>>,
    /// Whoever changes a message has it alone, so that an older form never arrives after a newer one.
    changing: [tokio::sync::Mutex<()>; 64],
    hashing: RandomState,
}

impl<P> Default for Memory<P> {
    fn default() -> Self {
        Self {
            underway: Mutex::default(),
            known: Mutex::default(),
            changing: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            hashing: RandomState::new(),
        }
    }
}

impl<P: Clone> Memory<P> {
    fn underway(&self) -> MutexGuard<'_, HashMap<RequestId, HashMap<String, P>>> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a copy came when it was last tried.
    #[must_use]
    pub fn posted(&self, request: RequestId, to: &str) -> Option<P> {
        self.underway().get(&request)?.get(to).cloned()
    }

    /// Notes how far a copy came.
    pub fn note(&self, request: RequestId, to: &str, posted: &P) {
        let mut underway = self.underway();
        if underway.len() >= MOST {
            underway.clear();
        }
        let copies = underway.entry(request).or_default();
        copies.insert(to.to_owned(), posted.clone());
    }

    /// The store has it from here.
    pub fn forget(&self, request: RequestId) {
        self.underway().remove(&request);
    }

    /// This message is updated by its receipt.
    pub fn know(&self, conversation: &str, message: &str) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((conversation.to_owned(), message.to_owned()));
    }

    /// Whether somebody else sees to it that this message is updated.
    #[must_use]
    pub fn is_known(&self, conversation: &str, message: &str) -> bool {
        let known = (conversation.to_owned(), message.to_owned());
        self.known().contains(&known)
    }

    /// Has a message alone.
    pub async fn alone(
        &self,
        conversation: &str,
        message: &str,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let hash = self.hashing.hash_one((conversation, message));
        let place = usize::try_from(hash % 64).unwrap_or_default();
        match self.changing.get(place) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}
