//! Entries: an audit event as the exact bytes that are hashed and stored.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};

use approvals_core::canonical::{self, Limits};
use approvals_core::{Choice, Event, EventId, RequestId, Timestamp, What};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Directory, LogError};
use crate::tile::{Entries, WIDTH};

/// The version of what an entry says. A change of it is a change of this number.
pub const SCHEMA: u32 = 1;

/// The longest entry, in bytes: bundles give its length in 16 bits.
const LONGEST: usize = u16::MAX as usize;

/// Events are far below; what is larger has been refused before.
const LIMITS: Limits = Limits {
    bytes: 64 << 20,
    depth: 256,
};

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) id: EventId,
    at: Timestamp,
    request: Option<RequestId>,
    revision: u64,
    /// Canonical JSON.
    pub(super) bytes: Vec<u8>,
    /// The whole event, where it is too long for an entry, which then has its hash.
    pub(super) payload: Option<Payload>,
}

#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// What every entry says.
#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    #[serde(flatten)]
    event: &'a Event,
    /// Which numbers are carried as text, because readers of JSON may round them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    big_integers: Vec<&'a str>,
}

/// What an entry says of an event that is too long, or that the log has already.
#[derive(Serialize)]
struct Abridged<'a> {
    schema: u32,
    number: u64,
    id: EventId,
    at: Timestamp,
    request: Option<RequestId>,
    revision: u64,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Beside<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<u64>,
    /// What a verifier judges the request's life by.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vote: Option<Chosen>,
}

/// What somebody said, without their words.
#[derive(Serialize)]
struct Chosen {
    choice: Choice,
}

/// What of an event's life is told also where the rest lies beside the log.
fn life(what: &What) -> (Option<u64>, Option<bool>, Option<Chosen>) {
    match what {
        What::Claimed { fence, .. }
        | What::ClaimReleased { fence }
        | What::LeaseLost { fence }
        | What::Started { fence, .. } => (Some(*fence), None, None),
        What::Finished {
            fence, succeeded, ..
        }
        | What::FinishedLate { fence, succeeded } => (Some(*fence), Some(*succeeded), None),
        What::Resolved { succeeded, .. } => (None, Some(*succeeded), None),
        What::Voted { vote, .. } => {
            let choice = vote.choice;
            (None, None, Some(Chosen { choice }))
        }
        _ => (None, None, None),
    }
}

/// Where the whole event lies.
#[derive(Serialize)]
struct Beside<'a> {
    sha256: &'a str,
    bytes: usize,
}

impl Entry {
    pub(super) fn of(event: &Event) -> Result<Self, LogError> {
        let unwritable = |error: &dyn std::fmt::Display| LogError::Unwritable {
            number: event.number,
            why: error.to_string(),
        };
        let mut written = Written {
            schema: SCHEMA,
            event,
            big_integers: Vec::new(),
        };
        let mut text = String::new();
        let big = canonical::write(&written, &mut text, &LIMITS).map_err(|e| unwritable(&e))?;
        if !big.is_empty() {
            written.big_integers = big.iter().collect();
            text.clear();
            canonical::write(&written, &mut text, &LIMITS).map_err(|e| unwritable(&e))?;
        }
        let whole = Self {
            number: event.number,
            id: event.id,
            at: event.at,
            request: event.request,
            revision: event.revision,
            bytes: text.into_bytes(),
            payload: None,
        };
        if whole.bytes.len() <= LONGEST {
            return Ok(whole);
        }
        let what = serde_json::to_value(&event.what).map_err(|e| unwritable(&e))?;
        let what = what.get("what").and_then(serde_json::Value::as_str);
        let name = hex(&Sha256::digest(&whole.bytes));
        let (fence, succeeded, vote) = life(&event.what);
        let abridged = Abridged {
            schema: SCHEMA,
            number: event.number,
            id: event.id,
            at: event.at,
            request: event.request,
            revision: event.revision,
            what: what.ok_or_else(|| unwritable(&"it does not say what happened"))?,
            payload: Some(Beside {
                sha256: &name,
                bytes: whole.bytes.len(),
            }),
            repeats: None,
            fence,
            succeeded,
            vote,
        };
        let mut text = String::new();
        canonical::write(&abridged, &mut text, &LIMITS).map_err(|e| unwritable(&e))?;
        Ok(Self {
            bytes: text.into_bytes(),
            payload: Some(Payload {
                name,
                bytes: whole.bytes,
            }),
            ..whole
        })
    }

    /// The same event under another number: a store that lost an answer took it a second time. It is
    /// kept once, and its second number says so.
    pub(super) fn repeated(self, of: u64) -> Result<Self, LogError> {
        let abridged = Abridged {
            schema: SCHEMA,
            number: self.number,
            id: self.id,
            at: self.at,
            request: self.request,
            revision: self.revision,
            what: "repeated",
            payload: None,
            repeats: Some(of),
            fence: None,
            succeeded: None,
            vote: None,
        };
        let mut text = String::new();
        canonical::write(&abridged, &mut text, &LIMITS).map_err(|error| LogError::Unwritable {
            number: self.number,
            why: error.to_string(),
        })?;
        Ok(Self {
            bytes: text.into_bytes(),
            payload: None,
            ..self
        })
    }

    pub(super) const fn too_long(&self) -> LogError {
        LogError::TooLong {
            number: self.number,
            bytes: self.bytes.len(),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is needed of an entry to know which event it is.
#[derive(Debug, Deserialize)]
struct Name {
    number: u64,
    id: EventId,
}

/// How many events are remembered by their ids. A store repeats what it has taken a moment ago.
const REMEMBERED: usize = 4096;

/// Which events a log has: numbers without a gap, from the first one that it was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The numbers of the first and the last entry.
    range: Option<(u64, u64)>,
    /// The latest, with their numbers.
    recent: HashMap<EventId, u64>,
    in_order: VecDeque<EventId>,
}

impl Known {
    /// Of a log of this size.
    pub(super) fn of(directory: &Directory, size: u64) -> Result<Self, LogError> {
        if size == 0 {
            return Ok(Self::default());
        }
        let first = name(directory, 0, size)?.number;
        let last = name(directory, size - 1, size)?.number;
        if last.checked_sub(first) != Some(size - 1) {
            return Err(directory.damaged(size - 1, "its number is not its place in the log"));
        }
        let mut known = Self {
            range: Some((first, last)),
            ..Self::default()
        };
        let from = size.saturating_sub(REMEMBERED as u64) / WIDTH;
        for bundle in from..size.div_ceil(WIDTH) {
            let bytes = directory.bundle(bundle, size)?;
            for (index, entry) in (bundle * WIDTH..).zip(Entries::of(&bytes)) {
                let name = parsed(directory, index, entry)?;
                known.remember(name.id, name.number);
            }
        }
        Ok(known)
    }

    fn remember(&mut self, id: EventId, number: u64) {
        if let Place::Vacant(free) = self.recent.entry(id) {
            free.insert(number);
            self.in_order.push_back(id);
        }
        if self.in_order.len() > REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// The number under which the log has this event already, as far as it is remembered.
    pub(super) fn number_of(&self, id: EventId) -> Option<u64> {
        self.recent.get(&id).copied()
    }

    /// The number that the next event has to have; any if the log is empty.
    pub(super) fn next(&self) -> Option<u64> {
        self.range.map(|(_, last)| last.saturating_add(1))
    }

    pub(super) fn append(&mut self, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let begins = self.range.map_or(first.number, |(first, _)| first);
        self.range = Some((begins, last.number));
        for entry in entries {
            self.remember(entry.id, entry.number);
        }
    }

    /// Whether an event that was offered again is the one that the log has.
    pub(super) fn check(
        &self,
        directory: &Directory,
        size: u64,
        entry: &Entry,
    ) -> Result<(), LogError> {
        let other = || LogError::OtherTrail(entry.number);
        let (first, _) = self.range.ok_or_else(other)?;
        let index = entry.number.checked_sub(first).ok_or_else(other)?;
        let stored = name(directory, index, size)?;
        if (stored.number, stored.id) == (entry.number, entry.id) {
            Ok(())
        } else {
            Err(other())
        }
    }
}

fn name(directory: &Directory, index: u64, size: u64) -> Result<Name, LogError> {
    parsed(directory, index, &directory.entry(index, size)?)
}

fn parsed(directory: &Directory, index: u64, entry: &[u8]) -> Result<Name, LogError> {
    serde_json::from_slice(entry).map_err(|_| directory.damaged(index, "it is no audit event"))
}
