//! Entries: an audit event as the exact bytes that are hashed and stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use approvals_core::canonical::{self, Limits};
use approvals_core::{Choice, Event, EventId, Presentation, RequestId, Timestamp, What};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::commitment::Disclosure;
use super::committing::{Committed, Known, commit};
use super::values::Beside;
use super::{Files, LogError};
use crate::tree::Hash;

/// The version of what an entry says. A change of it is a change of this number.
pub const SCHEMA: u32 = 2;

/// The longest entry, in bytes: bundles give its length in 16 bits.
const LONGEST: usize = u16::MAX as usize;

/// Room for most events, in bytes.
const USUAL: usize = 512;

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
    /// The hash of these bytes in the tree.
    pub(super) leaf: Hash,
    /// The whole event, where it is too long for an entry, which then has its hash.
    pub(super) payload: Option<Payload>,
    /// What reviewers are shown: its hash is in the event.
    pub(super) shown: Option<Vec<u8>>,
    /// The values that the event only has commitments to.
    pub(super) values: Vec<Beside>,
}

#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// What every entry says.
#[derive(Serialize)]
struct Written<'a, T> {
    schema: u32,
    #[serde(flatten)]
    event: &'a T,
    /// The commitments to sensitive values, by the places where these stood.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    committed: &'a BTreeMap<String, String>,
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
    payload: Option<Apart<'a>>,
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
struct Apart<'a> {
    sha256: &'a str,
    bytes: usize,
}

/// Makes entries of events, one after the other.
pub(super) struct Writing<'a> {
    /// Which values are sensitive, by their names.
    sensitive: &'a BTreeSet<String>,
    files: &'a Files,
    /// Whether there are values beside the log that earlier events may have told.
    has_values: bool,
    /// What the events so far committed to, which may not lie beside the log yet.
    made: HashMap<String, Made>,
}

/// What was committed to of one request.
#[derive(Debug, Default)]
struct Made {
    disclosures: Vec<Disclosure>,
    /// What the author of its call marked.
    marked: BTreeSet<String>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(sensitive: &'a BTreeSet<String>, files: &'a Files, has_values: bool) -> Self {
        Self {
            sensitive,
            files,
            has_values,
            made: HashMap::new(),
        }
    }

    /// The entry of an event.
    pub(super) fn entry(&mut self, event: &Event) -> Result<Entry, LogError> {
        let shown = shown(event);
        let mut marked = marked(&event.what);
        let has_earlier = self.has_values || !self.made.is_empty();
        if self.sensitive.is_empty() && marked.is_empty() && !has_earlier {
            return Entry::plain(event, shown);
        }
        let of = event
            .request
            .map_or_else(|| event.id.to_string(), |id| id.to_string());
        let stored = match self.has_values {
            true => self.files.disclosures(&of)?,
            false => None,
        };
        let made = self.made.get(&of);
        if self.sensitive.is_empty() && marked.is_empty() && stored.is_none() && made.is_none() {
            return Entry::plain(event, shown);
        }
        // The marks stand in the event that asked; what comes later is as sensitive.
        let is_first = !marked.is_empty();
        if let Some(made) = made {
            marked.extend(made.marked.iter().cloned());
        } else if stored.is_some() {
            marked.extend(self.files.marked(&of)?);
        }
        let names: BTreeSet<String> = self.sensitive.union(&marked).cloned().collect();
        // What was destroyed is not kept anew. The mark may be gone, the place is not.
        let is_shredded = stored.is_some() && self.files.is_shredded(&of)?
            || stored.as_ref().is_some_and(Vec::is_empty) && made.is_none();
        let known = match is_shredded {
            true => Known::Shredded,
            false if stored.is_some() || made.is_some() => Known::These,
            false => Known::None,
        };
        let mut earlier = stored.unwrap_or_default();
        earlier.extend(made.iter().flat_map(|made| &made.disclosures).cloned());
        let mut said = serde_json::to_value(event).map_err(|error| unwritable(event, &error))?;
        let Committed { places, made } = commit(&mut said, &names, &earlier, known)?;
        let mut entry = Entry::of(event, &said, &places)?;
        if places.is_empty() {
            entry.shown = shown;
            return Ok(entry);
        }
        if !is_shredded {
            let disclosures = made.iter().map(|made| Beside::disclosure(&of, made));
            entry.values = disclosures.collect();
            let presentation = shown.map(|shown| Beside::presentation(&of, shown));
            entry.values.extend(presentation);
            if is_first {
                // Last: where there is nothing else, it was destroyed.
                entry.values.push(Beside::marked(&of, &marked)?);
            }
            let so_far = self.made.entry(of).or_default();
            so_far.disclosures.extend(made);
            so_far.marked.extend(marked);
        }
        Ok(entry)
    }
}

/// What the author of an event's call marked as sensitive.
fn marked(what: &What) -> BTreeSet<String> {
    let call = match what {
        What::Allowed { call, .. } | What::Refused { call, .. } => call.as_ref(),
        What::Requested { asked } | What::RequestedUnderGrant { asked, .. } => Some(&asked.call),
        _ => None,
    };
    call.into_iter()
        .flat_map(|call| call.sensitive())
        .map(str::to_owned)
        .collect()
}

/// What reviewers are shown of a request, as far as it can be told from its event.
fn shown(event: &Event) -> Option<Vec<u8>> {
    let What::Requested { asked } = &event.what else {
        return None;
    };
    let shown = Presentation::of(asked).hashed();
    let is_it = Sha256::digest(&shown).as_slice() == asked.shown.as_bytes();
    if !is_it {
        tracing::warn!(request = %asked.id, "what reviewers were shown was made by another version, and is not kept beside the log");
    }
    is_it.then_some(shown)
}

fn unwritable(event: &Event, error: &dyn std::fmt::Display) -> LogError {
    LogError::Unwritable {
        number: event.number,
        why: error.to_string(),
    }
}

impl Entry {
    /// Of an event that has nothing to be kept out.
    fn plain(event: &Event, shown: Option<Vec<u8>>) -> Result<Self, LogError> {
        let mut text = String::with_capacity(USUAL);
        let mut entry = match event.write_entry(SCHEMA, &mut text) {
            true => Self::written(event, text)?,
            false => Self::of(event, event, &BTreeMap::new())?,
        };
        entry.shown = shown;
        Ok(entry)
    }

    /// Of an event that says this.
    fn of<T: Serialize>(
        event: &Event,
        said: &T,
        committed: &BTreeMap<String, String>,
    ) -> Result<Self, LogError> {
        let unwritable = |error: &dyn std::fmt::Display| unwritable(event, error);
        let mut written = Written {
            schema: SCHEMA,
            event: said,
            committed,
            big_integers: Vec::new(),
        };
        let mut text = String::new();
        let big = canonical::write(&written, &mut text, &LIMITS).map_err(|e| unwritable(&e))?;
        if !big.is_empty() {
            written.big_integers = big.iter().collect();
            text.clear();
            canonical::write(&written, &mut text, &LIMITS).map_err(|e| unwritable(&e))?;
        }
        Self::written(event, text)
    }

    /// Of an event whose canonical form this is.
    fn written(event: &Event, text: String) -> Result<Self, LogError> {
        let unwritable = |error: &dyn std::fmt::Display| unwritable(event, error);
        let whole = Self {
            number: event.number,
            id: event.id,
            at: event.at,
            request: event.request,
            revision: event.revision,
            leaf: Hash::of_leaf(text.as_bytes()),
            bytes: text.into_bytes(),
            payload: None,
            shown: None,
            values: Vec::new(),
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
            payload: Some(Apart {
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
            leaf: Hash::of_leaf(text.as_bytes()),
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
            leaf: Hash::of_leaf(text.as_bytes()),
            bytes: text.into_bytes(),
            payload: None,
            shown: None,
            values: Vec::new(),
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
