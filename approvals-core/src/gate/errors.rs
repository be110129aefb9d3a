//! What became of a request, told to whoever made the call.

use crate::directory::ChainError;
use crate::error::{ApprovalError, Kind};
use crate::review::{Choice, Phase, Record, Refusal, Refused, State};

/// Nobody can say who is behind the requester.
pub(super) fn of_chain(error: ChainError) -> ApprovalError {
    match error {
        unknown @ ChainError::Unknown(_) => ApprovalError::invalid(unknown),
        ChainError::Directory(error) => ApprovalError::unavailable("the directory", error),
    }
}

/// What a request that will not run any more says to its caller.
pub(super) fn from_state(record: &Record) -> ApprovalError {
    let error = match &record.state {
        State::Denied {
            by,
            comment,
            proposal,
            ..
        } => ApprovalError::new(Kind::Denied, "it was denied")
            .by(by, comment.clone())
            .proposing(proposal.clone()),
        State::Expired { at } => {
            ApprovalError::new(Kind::TimedOut, format!("nobody decided by {at}"))
        }
        State::Lapsed { at } => ApprovalError::new(
            Kind::Lapsed,
            format!("it was approved, but not run by {at}"),
        ),
        State::Withdrawn { why, .. } => {
            ApprovalError::new(Kind::Withdrawn, format!("it was withdrawn: {why}"))
        }
        State::Revoked { by, reason, .. } => {
            ApprovalError::new(Kind::Revoked, "its approval was revoked")
                .by(by, Some(reason.clone()))
        }
        State::InDoubt { why, .. } => {
            ApprovalError::new(Kind::InDoubt, format!("it may have run already: {why}"))
        }
        State::Succeeded { .. } => {
            ApprovalError::new(Kind::AlreadyFinished, "it has run already, and succeeded")
                .finished(true)
        }
        State::Failed { .. } => {
            ApprovalError::new(Kind::AlreadyFinished, "it has run already, and failed")
                .finished(false)
        }
        State::Pending
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Executing { .. } => ApprovalError::new(
            Kind::Unavailable,
            format!("its request is {}", record.state.phase()),
        ),
    };
    error.request(record.id())
}

/// Why nobody was asked.
pub(super) fn from_refusal(refusal: &Refusal) -> ApprovalError {
    match refusal {
        Refusal::DenialStands(record) => {
            let error =
                ApprovalError::new(Kind::NotAsked, "the same call was denied a short while ago")
                    .request(record.id());
            if let State::Denied {
                by,
                comment,
                proposal,
                ..
            } = &record.state
            {
                return error.by(by, comment.clone()).proposing(proposal.clone());
            }
            error
        }
        Refusal::InDoubt(record) if record.state.phase() == Phase::Executing => ApprovalError::new(
            Kind::InDoubt,
            "it may have run already: its lease ran out while it was executing",
        )
        .request(record.id()),
        Refusal::InDoubt(record) => from_state(record),
        Refusal::KeyOfAnotherCall(record) => ApprovalError::new(
            Kind::Invalid,
            "its idempotency key names another call: use a new key for a new call",
        )
        .request(record.id()),
        Refusal::TooManyPending(count) => ApprovalError::new(
            Kind::NotAsked,
            format!("{count} requests for this action and resource are pending already"),
        ),
        Refusal::TooManyAsks(count) => ApprovalError::new(
            Kind::NotAsked,
            format!("people were asked {count} times for this action and resource within the hour"),
        ),
        Refusal::Paused { until, denials } => ApprovalError::new(
            Kind::NotAsked,
            format!("it was denied {denials} times: asking pauses until {until}"),
        ),
    }
}

/// Why a request cannot be taken back any more: what stands, and who decided.
pub(super) fn from_withdrawal(refused: &Refused, record: &Record) -> ApprovalError {
    let stands = match &record.state {
        State::Approved { .. } | State::Claimed { .. } => {
            "it has not run yet: revoke the approval to take it back"
        }
        State::Executing { .. } => "it is executing",
        State::InDoubt { .. } => "it may have run",
        State::Succeeded { .. } => "it has run, and succeeded",
        State::Failed { .. } => "it has run, and failed",
        State::Pending
        | State::Denied { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => return from_refused(refused, record),
    };
    let agreed = record.votes.iter().filter(|vote| match vote.choice {
        Choice::Approve | Choice::Confirm | Choice::BreakGlass => true,
        Choice::Deny | Choice::Withdrawn => false,
    });
    let people: Vec<_> = agreed.map(|vote| vote.person.to_string()).collect();
    let by = match record.granted_by {
        Some(grantor) => format!("under the grant of {grantor}"),
        None => format!("by {}", people.join(" and ")),
    };
    let message =
        format!("the request cannot be withdrawn any more: it was approved {by}, and {stands}");
    ApprovalError::new(Kind::Decided, message).request(record.id())
}

/// Why a claim or a start was refused.
pub(super) fn from_refused(refused: &Refused, record: &Record) -> ApprovalError {
    let kind = match refused {
        Refused::Settled(_) => return from_state(record),
        Refused::Frozen => Kind::Frozen,
        Refused::Late(_) => Kind::Lapsed,
        Refused::EqualInDoubt(_) => Kind::InDoubt,
        Refused::EqualDenied(_) => Kind::NoLongerApproved,
        Refused::GrantClosed => Kind::Revoked,
        Refused::PolicyDenies(_) | Refused::PolicyAsksMore | Refused::NoLongerMet { .. } => {
            Kind::NoLongerApproved
        }
        Refused::OwnRequest(_)
        | Refused::NotAsked(_)
        | Refused::AlreadyVoted(_)
        | Refused::NoVote(_)
        | Refused::CommentRequired
        | Refused::ProposalWithoutDenial
        | Refused::UnknownArgument(_)
        | Refused::ReasonRequired
        | Refused::NothingOwed
        | Refused::NoGrant
        | Refused::Phase { .. } => Kind::Invalid,
        Refused::NothingDue
        | Refused::ClockWentBack { .. }
        | Refused::OtherDigest
        | Refused::OtherPresentation
        | Refused::StaleRevision { .. }
        | Refused::OtherClaim { .. }
        | Refused::NewerSchema(_) => Kind::Unavailable,
    };
    ApprovalError::new(kind, refused.to_string()).request(record.id())
}
