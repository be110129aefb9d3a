//! Why a command was refused. The record is unchanged.

use crate::id::{PersonId, RequestId};
use crate::policy::Reasons;
use crate::review::state::Phase;
use crate::time::Timestamp;

/// Why a command was refused. Each says what stands and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Another command came first.
    #[error("the request is {0} already")]
    Settled(Phase),
    /// The command needs another state.
    #[error("the request is {found}: this needs {needed}")]
    Phase {
        /// Where it is.
        found: Phase,
        /// Where it would have to be.
        needed: Phase,
    },
    /// A deadline has passed and has not taken effect yet.
    #[error("too late: the deadline was {0}")]
    Late(Timestamp),
    /// Nothing is due.
    #[error("nothing is due")]
    NothingDue,
    /// Time ran backwards.
    #[error("the clock went back: the request changed at {changed}, and now is {now}")]
    ClockWentBack {
        /// When the record last changed.
        changed: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// A vote for another call.
    #[error("the vote is for another call: open the request again and read it")]
    OtherDigest,
    /// A vote on another presentation.
    #[error("the vote is on another presentation of the call: open the request again and read it")]
    OtherPresentation,
    /// A vote older than the reviewer's last change, or from the future.
    #[error(
        "the vote is on revision {seen}, and {person} voted at revision {stands}: open the request again"
    )]
    StaleRevision {
        /// What the reviewer saw.
        seen: u64,
        /// What stands.
        stands: u64,
        /// Who.
        person: PersonId,
    },
    /// The requester, somebody it acts for or is owned by, or whoever proposed the values.
    #[error("{0} has a part in the request and cannot review it")]
    OwnRequest(PersonId),
    /// Not of the open stage's audience.
    #[error("{0} is not among those who are asked now")]
    NotAsked(PersonId),
    /// The seat is taken by the same human already.
    #[error("{0} has voted already: one human, one seat")]
    AlreadyVoted(PersonId),
    /// There is no vote to take back.
    #[error("{0} has no vote to take back")]
    NoVote(PersonId),
    /// A comment is required.
    #[error("a comment is required: say why")]
    CommentRequired,
    /// A proposal without a denial.
    #[error("a proposal goes with a denial")]
    ProposalWithoutDenial,
    /// A proposal for an argument that the call does not have.
    #[error("the call shows no argument `{0}` to propose another value for")]
    UnknownArgument(String),
    /// A reason is required.
    #[error("a reason is required: say why")]
    ReasonRequired,
    /// The gate is frozen.
    #[error("the gate is frozen: nothing runs until an operator lifts it")]
    Frozen,
    /// Policy denies the call now.
    #[error("policy denies the call now: {0}")]
    PolicyDenies(Reasons),
    /// The votes that are still good do not meet what was asked.
    #[error("the approval is no longer enough: {struck} of its votes no longer count")]
    NoLongerMet {
        /// Votes that no longer count.
        struck: usize,
    },
    /// The votes do not meet what policy asks now.
    #[error("the approval does not meet what policy asks now: ask again")]
    PolicyAsksMore,
    /// The claim is somebody else's, or over.
    #[error("the claim with fence {given} is over: {stands} stands")]
    OtherClaim {
        /// The command's fence.
        given: u64,
        /// The record's.
        stands: u64,
    },
    /// An equal call may have run meanwhile.
    #[error("an equal call may have run meanwhile, as {0}: a person has to find out first")]
    EqualInDoubt(RequestId),
    /// An equal call was denied after this one was asked and before the last of those who agreed to
    /// it did: they may not have known.
    #[error("the same call was denied meanwhile, as {0}: ask again")]
    EqualDenied(RequestId),
    /// The grant that the request uses was revoked, or closed.
    #[error("the grant that it uses is closed")]
    GrantClosed,
    /// No review is owed.
    #[error("no review after the fact is owed")]
    NothingOwed,
    /// There is no open grant.
    #[error("there is no open grant")]
    NoGrant,
    /// The record was written by a newer version of this library.
    #[error(
        "the record has schema {0}, which this version does not know: upgrade before changing it"
    )]
    NewerSchema(u16),
}
