//! Votes: what a reviewer said, on exactly what, and where it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::PersonId;
use crate::principal::ChannelIdentity;
use crate::shared_set::{Groups, People};
use crate::time::Timestamp;

/// Other values for arguments that a reviewer would agree to, by argument name.
pub type Proposal = BTreeMap<String, serde_json::Value>;

/// What a reviewer said. Exhaustive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Yes.
    Approve,
    /// No.
    Deny,
    /// The requester's own principal confirms: not a review.
    Confirm,
    /// Released alone, with a reason, by a member of the break-glass group.
    BreakGlass,
    /// Taken back. Kept, so that an older click of the same reviewer is recognised.
    Withdrawn,
}

impl Choice {
    /// What it is called in the trail.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Confirm => "confirm",
            Self::BreakGlass => "break_glass",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A vote as it reaches the engine: the person is resolved, nothing is believed of the channel but
/// what its desk verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballot {
    /// Who, as the directory resolved the channel identity.
    pub person: PersonId,
    /// Through which channel identity.
    pub identity: ChannelIdentity,
    /// Those of the groups that the requirement mentions which the person is in now.
    pub groups: Groups,
    /// The people of the requester's chain, as it holds now: they may not vote, and only they may
    /// confirm.
    pub excluded: People,
    /// What they said. `Withdrawn` takes an earlier vote back.
    pub choice: Choice,
    /// In their words.
    pub comment: Option<Arc<str>>,
    /// With a denial: values they would agree to.
    pub proposal: Option<Arc<Proposal>>,
    /// The digest that they saw.
    pub digest: Digest,
    /// The hash of the presentation that they saw.
    pub shown: Digest,
    /// The record's revision that they saw.
    pub revision: u64,
}

/// Where a vote counts: one stage of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seat {
    /// The track's index.
    pub track: u8,
    /// The stage's index in it.
    pub stage: u8,
}

/// A vote as it stands in the record: the reviewer's last word.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub person: PersonId,
    /// Through which channel identity.
    pub identity: ChannelIdentity,
    /// The groups that counted, as they were when the vote was cast.
    pub groups: Groups,
    /// What they said.
    pub choice: Choice,
    /// In their words.
    pub comment: Option<Arc<str>>,
    /// When.
    pub at: Timestamp,
    /// The revision that the vote made: clicks on anything older are refused.
    pub revision: u64,
    /// The stages that were open to it.
    pub seats: Vec<Seat>,
}
