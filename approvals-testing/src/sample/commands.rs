//! What is done with a sample: commands, the swaps that they ask for, and copies.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::{
    Choice, ClaimNow, Command, Record, Refused, VoterNow, WithdrawnBy, apply,
};
use approvals_core::store::{Delivery, DeliveryState, Retry, Swap};
use approvals_core::{
    ChannelId, Coverage, GroupId, Groups, OwnerId, People, Reasons, Receipt, Timestamp, Verdict,
};

use super::{REVIEWERS, ballot, known, person};

/// How long a claim and an execution are kept without being renewed.
pub const LEASE: Duration = Duration::from_secs(30);

/// The swap that a command asks for at this time: nothing but the revision is judged in its commit.
///
/// # Errors
/// [`Refused`] when the record does not take the command.
pub fn swap(record: &Record, command: &Command, now: Timestamp) -> Result<Swap, Refused> {
    let transition = apply(record, command, now)?;
    let (id, revision) = (record.id(), transition.record.revision);
    let about = |what| NewEvent::about(id, revision, what);
    Ok(Swap {
        expected: record.revision,
        record: Arc::new(transition.record),
        events: transition.events.into_iter().map(about).collect(),
        not_after: None,
        unfrozen: false,
        stands: false,
    })
}

/// A vote by a member of [`REVIEWERS`] who looked at the record as it is.
#[must_use]
pub fn vote(record: &Record, who: &str, choice: Choice) -> Command {
    let ballot = ballot(&record.asked, record.revision, who, choice);
    Command::Vote(Box::new(ballot))
}

/// A claim by this gate, while `alice` is still a reviewer and policy allows the call.
#[must_use]
pub fn claim(owner: OwnerId) -> Command {
    Command::Claim(claim_now(owner))
}

/// A claim and its start in one commit: from approved to executing.
#[must_use]
pub fn claim_and_start(owner: OwnerId) -> Command {
    Command::ClaimAndStart(claim_now(owner))
}

fn claim_now(owner: OwnerId) -> Box<ClaimNow> {
    Box::new(ClaimNow {
        owner,
        lease: LEASE,
        frozen: false,
        verdict: Verdict::Allow(known(Reasons::rule("sample", "allowed now"))),
        policy_version: None,
        voters: vec![VoterNow {
            person: person("alice"),
            groups: Groups::from([known(GroupId::new(REVIEWERS))]),
        }],
        excluded: People::new(),
    })
}

/// The start of what this gate has claimed.
#[must_use]
pub const fn start(owner: OwnerId, fence: u64) -> Command {
    Command::Start {
        fence,
        owner,
        frozen: false,
        lease: LEASE,
    }
}

/// The requester takes it back.
#[must_use]
pub const fn withdraw() -> Command {
    Command::Withdraw(WithdrawnBy::Requester)
}

/// A copy on the channel `sample` that is to be posted.
#[must_use]
pub fn intended() -> Delivery {
    Delivery {
        channel: known(ChannelId::new("sample")),
        coverage: Coverage::Whole,
        state: DeliveryState::Intended,
        revision: 1,
    }
}

/// A copy in every state that there is, each on a channel of its own. What failed is tried again 40
/// and 50 seconds after the request was made. Their texts look like states, and hold every
/// character that is hard to store.
#[must_use]
pub fn copies_in_every_state(asked_at: Timestamp) -> Vec<Delivery> {
    let retry = |attempts, seconds| Retry {
        attempts,
        at: asked_at.plus(Duration::from_secs(seconds)),
    };
    let confusing = "{\"state\":\"intended\",\"retry\":{\"attempts\":1,\"at\":5}} ' \" \\ \u{0} é";
    let failed = |retry| DeliveryState::Failed {
        why: confusing.to_owned(),
        retry,
    };
    let states = [
        DeliveryState::Intended,
        DeliveryState::Delivered(Receipt::handle(confusing)),
        failed(None),
        failed(Some(retry(3, 40))),
        DeliveryState::Outdated {
            receipt: Receipt::handle(confusing),
            why: confusing.to_owned(),
            retry: retry(7, 50),
        },
    ];
    let copy = |(n, state): (usize, _)| Delivery {
        channel: known(ChannelId::new(format!("channel-{n}"))),
        coverage: Coverage::Partial {
            why: confusing.to_owned(),
        },
        state,
        revision: 1,
    };
    states.into_iter().enumerate().map(copy).collect()
}
