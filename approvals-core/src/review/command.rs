//! What can be asked of a record. Exhaustive on purpose.

use std::sync::Arc;
use std::time::Duration;

use super::vote::{Ballot, Proposal};
use crate::id::{OwnerId, PersonId, RequestId};
use crate::policy::Verdict;
use crate::shared_set::{Groups, People};

/// A command on one record. Whichever commits first stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A reviewer votes, or takes a vote back.
    Vote(Box<Ballot>),
    /// The requester takes the request back.
    Withdraw(WithdrawnBy),
    /// An operator takes the approval, or what is left of its grant, back.
    Revoke {
        /// Who.
        by: PersonId,
        /// Why: not empty.
        reason: Arc<str>,
    },
    /// Time has passed: whichever deadline or lease is due takes effect.
    Due,
    /// A gate wants to run it.
    Claim(Box<ClaimNow>),
    /// A gate wants to run it, and to start it in the same commit: nothing has to be waited for
    /// between the two.
    ClaimAndStart(Box<ClaimNow>),
    /// The claimer gives the claim back without having started.
    Release {
        /// Of the claim.
        fence: u64,
    },
    /// The claimer starts the body.
    Start {
        /// Of the claim.
        fence: u64,
        /// Who claimed.
        owner: OwnerId,
        /// Whether the gate is frozen now. The store judges it once more inside the commit.
        frozen: bool,
        /// How long the lease holds from now.
        lease: Duration,
    },
    /// The claimer is alive.
    Renew {
        /// Of the claim.
        fence: u64,
        /// How long the lease holds from now.
        lease: Duration,
    },
    /// The body has finished.
    Finish {
        /// Of the claim.
        fence: u64,
        /// Whether it returned `Ok`.
        succeeded: bool,
        /// What the author had to say about it.
        summary: Option<Arc<str>>,
    },
    /// The body was started and will not report: dropped, panicked.
    Abandon {
        /// Of the claim.
        fence: u64,
        /// What was noticed.
        why: Arc<str>,
    },
    /// A person found out what became of a request in doubt.
    Resolve {
        /// Who.
        by: PersonId,
        /// What they found: not empty.
        reason: Arc<str>,
        /// Whether it had run to a good end.
        succeeded: bool,
    },
    /// Somebody else reviews a broken glass after the fact.
    ReviewAfterwards {
        /// Who: not the one who broke it, and not of the requester's chain.
        by: PersonId,
        /// Who may not, as it holds now.
        excluded: People,
        /// What they found: not empty.
        comment: Arc<str>,
    },
    /// The same call of the same requester was denied in another request.
    ShareDenial {
        /// In which.
        of: RequestId,
        /// By whom.
        by: PersonId,
        /// In their words.
        comment: Option<Arc<str>>,
        /// Values that they would agree to.
        proposal: Option<Arc<Proposal>>,
    },
    /// A use of the grant ended in doubt.
    CloseGrant {
        /// What was noticed.
        why: Arc<str>,
    },
}

impl Command {
    /// As it stands in what operators read.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Vote(_) => "vote",
            Self::Withdraw(_) => "withdraw",
            Self::Revoke { .. } => "revoke",
            Self::Due => "due",
            Self::Claim(_) => "claim",
            Self::ClaimAndStart(_) => "claim_and_start",
            Self::Release { .. } => "release",
            Self::Start { .. } => "start",
            Self::Renew { .. } => "renew",
            Self::Finish { .. } => "finish",
            Self::Abandon { .. } => "abandon",
            Self::Resolve { .. } => "resolve",
            Self::ReviewAfterwards { .. } => "review_afterwards",
            Self::ShareDenial { .. } => "share_denial",
            Self::CloseGrant { .. } => "close_grant",
        }
    }
}

/// Why a request is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WithdrawnBy {
    /// The requester said so.
    Requester,
    /// The future that waited for it was dropped.
    Cancelled,
    /// The process that waited for it is gone.
    WaiterLost,
    /// Every channel failed for good to put it before people.
    Unseen,
    /// An equal call may have run meanwhile, and is not to be run again by itself.
    EqualInDoubt,
}

impl WithdrawnBy {
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Requester => "the requester took it back",
            Self::Cancelled => "the caller stopped waiting for it",
            Self::WaiterLost => "the process that waited for it is gone",
            Self::Unseen => "no channel could put it before people",
            Self::EqualInDoubt => "an equal call may have run meanwhile",
        }
    }
}

/// Everything that a claim is judged by, looked up just before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNow {
    /// The gate that claims.
    pub owner: OwnerId,
    /// How long the lease holds.
    pub lease: Duration,
    /// Whether the gate is frozen now. The store judges it once more inside the commit.
    pub frozen: bool,
    /// What policy says now.
    pub verdict: Verdict,
    /// Which version of it, where it says.
    pub policy_version: Option<Arc<str>>,
    /// Every voter, resolved again. Whoever is missing is struck.
    pub voters: Vec<VoterNow>,
    /// The people of the requester's chain, as it holds now: their votes do not count, and only
    /// theirs confirm.
    pub excluded: People,
}

/// A voter as the directory knows them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterNow {
    /// Who.
    pub person: PersonId,
    /// Those of the groups that the requirements mention which the person is in now.
    pub groups: Groups,
}
