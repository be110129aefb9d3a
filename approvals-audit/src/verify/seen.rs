//! What a verifier needs to see of an entry.

use approvals_core::{EventId, RequestId, Timestamp};
use serde::Deserialize;

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
    #[serde(borrow)]
    pub(super) payload: Option<Payload<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Vote<'a> {
    #[serde(borrow)]
    pub(super) choice: &'a str,
}

/// Where an event lies that is too long for an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) sha256: &'a str,
}
