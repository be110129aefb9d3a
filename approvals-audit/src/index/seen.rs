//! What the index needs to see of an entry. Reading whole events takes several times as long.

use std::borrow::Cow;

use approvals_core::{RequestId, Timestamp};
use serde::Deserialize;

/// A text, borrowed from the entry unless it has escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Seen<'a> {
    pub(super) schema: u32,
    pub(super) at: Timestamp,
    pub(super) request: Option<RequestId>,
    #[serde(borrow)]
    pub(super) what: Text<'a>,
    #[serde(borrow)]
    pub(super) action: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) requester: Option<Chain<'a>>,
    #[serde(borrow)]
    pub(super) call: Option<Call<'a>>,
    #[serde(borrow, default)]
    pub(super) reasons: Vec<Rule<'a>>,
    #[serde(borrow)]
    pub(super) asked: Option<Asked<'a>>,
    #[serde(borrow)]
    pub(super) vote: Option<Vote<'a>>,
    #[serde(borrow)]
    pub(super) policy_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) person: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) identity: Option<Identity<'a>>,
    pub(super) own_request: Option<bool>,
    pub(super) succeeded: Option<bool>,
    #[serde(borrow)]
    pub(super) payload: Option<Payload<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) sha256: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chain<'a> {
    #[serde(borrow)]
    pub(super) actor: Text<'a>,
    #[serde(borrow)]
    pub(super) acting_for: Vec<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) declaration: Declaration<'a>,
    #[serde(borrow)]
    pub(super) requester: Chain<'a>,
    #[serde(borrow)]
    pub(super) resource: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) environment: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Declaration<'a> {
    #[serde(borrow)]
    pub(super) action: Text<'a>,
    #[serde(borrow)]
    pub(super) policy: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow)]
    pub(super) call: Call<'a>,
    #[serde(borrow)]
    pub(super) reasons: Vec<Rule<'a>>,
    #[serde(borrow)]
    pub(super) policy_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) risk: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Vote<'a> {
    /// Missing where all but the choice was destroyed.
    #[serde(borrow)]
    pub(super) person: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) choice: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Identity<'a> {
    #[serde(borrow)]
    pub(super) channel: Text<'a>,
    #[serde(borrow)]
    pub(super) tenant: Text<'a>,
    #[serde(borrow)]
    pub(super) user: Text<'a>,
}
