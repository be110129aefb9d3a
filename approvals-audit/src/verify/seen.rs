//! What a verifier needs to see of an entry.

use std::borrow::Cow;

use approvals_core::{EventId, RequestId, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An entry, as far as its place, its time and the life of its request go.
#[derive(Debug, Deserialize)]
pub(super) struct Seen<'a> {
    pub(super) schema: u32,
    pub(super) number: u64,
    pub(super) id: EventId,
    pub(super) at: Timestamp,
    pub(super) request: Option<RequestId>,
    #[serde(borrow)]
    pub(super) what: &'a str,
    pub(super) fence: Option<u64>,
    pub(super) succeeded: Option<bool>,
    #[serde(borrow)]
    pub(super) vote: Option<Vote<'a>>,
    pub(super) repeats: Option<u64>,
    /// Who, or which request.
    pub(super) by: Option<String>,
    pub(super) uses_left: Option<u32>,
    pub(super) granted_by: Option<RequestId>,
    #[serde(borrow)]
    pub(super) asked: Option<Asked<'a>>,
    /// Whether it has commitments in the place of values.
    pub(super) committed: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) payload: Option<Payload<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow)]
    pub(super) shown: &'a str,
    tracks: Vec<Track>,
}

#[derive(Debug, Deserialize)]
struct Track {
    reuse: Option<IgnoredAny>,
}

impl Asked<'_> {
    /// Whether every requirement lets a yes cover further runs.
    pub(super) fn offers_reuse(&self) -> bool {
        !self.tracks.is_empty() && self.tracks.iter().all(|track| track.reuse.is_some())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Vote<'a> {
    #[serde(borrow)]
    pub(super) choice: &'a str,
    #[serde(borrow, default)]
    person: Cow<'a, str>,
}

impl Vote<'_> {
    /// Whose it is; an abridged entry does not say.
    pub(super) fn person(&self) -> Option<&str> {
        Some(&*self.person).filter(|person| !person.is_empty())
    }
}

/// Where an event lies that is too long for an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) sha256: &'a str,
}
