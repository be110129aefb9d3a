//! Where a request was posted: what a receipt keeps, and what this process remembers beside it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use approvals_core::{Phase, Receipt, Record, RequestId};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, UserGroupId, UserId};
use crate::message::Mention;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Whom it was meant for: the id that it was posted to.
    pub(crate) to: String,
    /// The conversation that it is in.
    pub(crate) conversation: String,
    /// Its name there.
    pub(crate) ts: String,
    /// Whom it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<String>,
}

impl Copy {
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mention = |id: &String| {
            let group = || UserGroupId::new(id).ok().map(Mention::Group);
            UserId::new(id).ok().map(Mention::User).or_else(group)
        };
        self.calls.iter().filter_map(mention).collect()
    }
}

/// Where a request's tracks stand: which stage of each is open, and which were widened. Others may
/// be asked when it changes.
type Stages = Vec<(u8, u16)>;

/// What a receipt holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handle {
    v: u8,
    /// The messages.
    pub(crate) copies: Vec<Copy>,
    /// Where the request stood when everybody who was asked had one.
    #[serde(default)]
    stages: Stages,
}

impl Handle {
    /// These messages, for whoever is asked now.
    pub(crate) fn of(copies: Vec<Copy>, record: &Record) -> Self {
        Self {
            v: 1,
            copies,
            stages: stages(record),
        }
    }

    /// The handle in a receipt; nothing where it is not one of this channel's.
    pub(crate) fn read(receipt: &Receipt) -> Option<Self> {
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
    pub(crate) fn receipt(&self) -> Receipt {
        if self.copies.is_empty() {
            return Receipt::none();
        }
        // Strings and numbers: nothing that cannot be written.
        Receipt::handle(&serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether others may be asked by now than those who have messages.
    pub(crate) fn asks_others(&self, record: &Record) -> bool {
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

/// How far one copy has been posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) conversation: ConversationId,
    pub(crate) ts: String,
    /// How many of its further messages are there.
    pub(crate) further: usize,
    /// Whether it has its buttons.
    pub(crate) complete: bool,
}

/// How many requests, and how many messages, are remembered.
const MOST: usize = 50_000;

/// What this process knows about its messages. None of it is needed: without it, more copies are
/// posted and more updates sent.
#[derive(Debug)]
pub(crate) struct Memory {
    underway: Mutex<HashMap<RequestId, HashMap<String, Posted>>>,
    known: Mutex<HashSet<(String, String)>>,
    /// Who changes a message has it alone, so that an older form never arrives after a newer one.
    changing: [tokio::sync::Mutex<()>; 64],
    hashing: RandomState,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            underway: Mutex::default(),
            known: Mutex::default(),
            changing: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            hashing: RandomState::new(),
        }
    }
}

impl Memory {
    fn underway(&self) -> MutexGuard<'_, HashMap<RequestId, HashMap<String, Posted>>> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a copy came when it was last tried.
    pub(crate) fn posted(&self, request: RequestId, to: &str) -> Option<Posted> {
        self.underway().get(&request)?.get(to).cloned()
    }

    /// Notes how far a copy came.
    pub(crate) fn note(&self, request: RequestId, to: &str, posted: &Posted) {
        self.know(posted.conversation.as_str(), &posted.ts);
        let mut underway = self.underway();
        if underway.len() >= MOST {
            underway.clear();
        }
        let copies = underway.entry(request).or_default();
        copies.insert(to.to_owned(), posted.clone());
    }

    /// The store has it from here.
    pub(crate) fn forget(&self, request: RequestId) {
        self.underway().remove(&request);
    }

    /// This message is updated by its receipt.
    pub(crate) fn know(&self, conversation: &str, ts: &str) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((conversation.to_owned(), ts.to_owned()));
    }

    /// Whether somebody else sees to it that this message is updated.
    pub(crate) fn is_known(&self, conversation: &str, ts: &str) -> bool {
        let message = (conversation.to_owned(), ts.to_owned());
        self.known().contains(&message)
    }

    /// Has a message alone.
    pub(crate) async fn alone(
        &self,
        conversation: &str,
        ts: &str,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let hash = self.hashing.hash_one((conversation, ts));
        let place = usize::try_from(hash % 64).unwrap_or_default();
        match self.changing.get(place) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}
