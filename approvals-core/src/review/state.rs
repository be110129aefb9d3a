//! The lifecycle of a request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{OwnerId, PersonId};
use crate::review::vote::Proposal;
use crate::time::Timestamp;

/// Who holds the right to start, until when. A later claim has a higher fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Grows with every claim of the request; a command with another fence changes nothing.
    pub fence: u64,
    /// The gate that claimed.
    pub owner: OwnerId,
    /// Until when the claim holds without being renewed.
    pub lease_until: Timestamp,
}

/// Where a request is in its life. Exhaustive on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum State {
    /// People are being asked.
    Pending,
    /// Everybody who had to agree has; not run yet.
    Approved {
        /// When the last seat was taken.
        at: Timestamp,
        /// From then on it lapses.
        execute_by: Timestamp,
    },
    /// A gate is about to start it. Reversible.
    Claimed {
        /// By whom.
        claim: Claim,
        /// From then on it lapses.
        execute_by: Timestamp,
        /// When it was approved.
        approved_at: Timestamp,
    },
    /// The body was started under this claim. Not reversible.
    Executing {
        /// By whom.
        claim: Claim,
    },
    /// The body finished well.
    Succeeded {
        /// When.
        at: Timestamp,
        /// What the author had to say about it.
        summary: Option<Arc<str>>,
    },
    /// The body finished with an error.
    Failed {
        /// When.
        at: Timestamp,
        /// What the author had to say about it.
        summary: Option<Arc<str>>,
    },
    /// It was started and no outcome is known. A person resolves it.
    InDoubt {
        /// Since when.
        at: Timestamp,
        /// What was noticed.
        why: Arc<str>,
    },
    /// Somebody who was asked said no.
    Denied {
        /// When.
        at: Timestamp,
        /// Who.
        by: PersonId,
        /// In their words.
        comment: Option<Arc<str>>,
        /// Other values that they would agree to.
        proposal: Option<Arc<Proposal>>,
    },
    /// The requester took it back.
    Withdrawn {
        /// When.
        at: Timestamp,
        /// What was noticed.
        why: Arc<str>,
    },
    /// A deadline passed before everybody agreed.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// An operator took the approval back.
    Revoked {
        /// When.
        at: Timestamp,
        /// Who.
        by: PersonId,
        /// In their words.
        reason: Arc<str>,
    },
    /// It was approved and not run in time.
    Lapsed {
        /// When.
        at: Timestamp,
    },
}

/// The name of a [`State`], without what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the state of the same name")]
pub enum Phase {
    Pending,
    Approved,
    Claimed,
    Executing,
    Succeeded,
    Failed,
    InDoubt,
    Denied,
    Withdrawn,
    Expired,
    Revoked,
    Lapsed,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Pending => Phase::Pending,
            Self::Approved { .. } => Phase::Approved,
            Self::Claimed { .. } => Phase::Claimed,
            Self::Executing { .. } => Phase::Executing,
            Self::Succeeded { .. } => Phase::Succeeded,
            Self::Failed { .. } => Phase::Failed,
            Self::InDoubt { .. } => Phase::InDoubt,
            Self::Denied { .. } => Phase::Denied,
            Self::Withdrawn { .. } => Phase::Withdrawn,
            Self::Expired { .. } => Phase::Expired,
            Self::Revoked { .. } => Phase::Revoked,
            Self::Lapsed { .. } => Phase::Lapsed,
        }
    }
}

impl Phase {
    /// Whether nothing more can happen to the request by itself. `InDoubt` waits for a person.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Approved | Self::Claimed | Self::Executing | Self::InDoubt => {
                false
            }
            Self::Succeeded
            | Self::Failed
            | Self::Denied
            | Self::Withdrawn
            | Self::Expired
            | Self::Revoked
            | Self::Lapsed => true,
        }
    }

    /// As it stands in messages and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Claimed => "claimed",
            Self::Executing => "executing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Lapsed => "lapsed",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
