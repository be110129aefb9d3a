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
    /// How many of its further messages are there, while some are not: it has no buttons then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<usize>,
    /// Whether what is missing of it will never be there: it says so, and has no buttons.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
    /// The reminder that was given beside it last, by the revision that made it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminded: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
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

    /// These messages, while somebody who is asked has none yet, or only a part of one.
    #[must_use]
    pub fn unfinished(copies: Vec<Copy>) -> Self {
        Self {
            v: 1,
            copies,
            stages: Stages::new(),
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

    /// Adds a message that is not among them.
    pub(crate) fn adopt(&mut self, stray: Copy) {
        let same = |copy: &Copy| copy.is(&stray.conversation, &stray.message);
        if !self.copies.iter().any(same) {
            self.copies.push(stray);
        }
    }

    /// The same messages where the request stands now.
    pub(crate) fn standing(self, record: &Record) -> Self {
        Self::of(self.copies, record)
    }
}

impl Copy {
    /// Whether it is this message.
    #[must_use]
    pub fn is(&self, conversation: &str, message: &str) -> bool {
        self.conversation == conversation && self.message == message
    }
}

fn stages(record: &Record) -> Stages {
    record
        .progress
        .iter()
        .map(|p| (p.open, p.widened))
        .collect()
}

/// How many messages are remembered.
const MOST: usize = 50_000;
/// How many messages of a request that are in no receipt are looked at. More answers are not lost.
const MOST_STRAYS: usize = 16;

/// What this process knows about its messages. None of it is needed: without it, more updates are
/// sent.
#[derive(Debug)]
pub struct Memory {
    known: Mutex<Known>,
    /// Whoever changes a message has it alone, so that an older form never arrives after a newer one.
    changing: [tokio::sync::Mutex<()>; 64],
    hashing: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    /// Conversation and message.
    followed: HashSet<(String, String)>,
    /// Messages that were found in no receipt, until a receipt takes them up.
    strays: HashMap<RequestId, Strays>,
}

#[derive(Debug, Default)]
struct Strays {
    waiting: Vec<Copy>,
    /// How many were looked at.
    count: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            changing: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            hashing: RandomState::new(),
        }
    }
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This message is updated by its receipt.
    pub fn know(&self, conversation: &str, message: &str) {
        let mut known = self.known();
        if known.followed.len() >= MOST {
            known.followed.clear();
        }
        let message = (conversation.to_owned(), message.to_owned());
        known.followed.insert(message);
    }

    /// Whether somebody else sees to it that this message is updated.
    #[must_use]
    pub fn is_known(&self, conversation: &str, message: &str) -> bool {
        let message = (conversation.to_owned(), message.to_owned());
        self.known().followed.contains(&message)
    }

    /// Whether one more message of a request that is in no receipt is looked at: there is an end to
    /// how many are, since whoever clicks may have made them up.
    pub(crate) fn one_more(&self, request: RequestId) -> bool {
        let mut known = self.known();
        if known.strays.len() >= MOST {
            known.strays.clear();
        }
        let strays = known.strays.entry(request).or_default();
        let more = strays.count < MOST_STRAYS;
        strays.count += usize::from(more);
        more
    }

    /// This message of a request is in no receipt: the next update takes it along.
    pub(crate) fn take_in(&self, request: RequestId, stray: Copy) {
        let mut known = self.known();
        known.strays.entry(request).or_default().waiting.push(stray);
    }

    /// The messages of a request that are in no receipt yet.
    pub(crate) fn strays(&self, request: RequestId) -> Vec<Copy> {
        let mut known = self.known();
        let strays = known.strays.get_mut(&request);
        strays.map_or_else(Vec::new, |strays| std::mem::take(&mut strays.waiting))
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
