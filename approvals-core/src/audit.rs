//! The trail: what happened, and who receives it.

mod entry;
mod words;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(crate) use self::entry::Text;
use crate::call::Call;
use crate::digest::Digest;
use crate::error::Kind;
use crate::id::{ActionName, EventId, OwnerId, PersonId, RequestId, SinkId};
use crate::policy::Reasons;
use crate::principal::{ChannelIdentity, Requester};
use crate::review::{Asked, Choice, Proposal, Vote};
use crate::time::Timestamp;

/// What happened. Exhaustive on purpose: a sink handles every case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum What {
    /// Policy allowed a call. `call` is missing where the action's name decided.
    Allowed {
        /// The action.
        action: ActionName,
        /// Who.
        requester: Requester,
        /// The whole call.
        call: Option<Arc<Call>>,
        /// The rules that allowed it.
        reasons: Reasons,
        /// Of the policy that did, where it says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy_version: Option<Arc<str>>,
    },
    /// A call was refused: before anybody was asked, or, with a request, because what would have
    /// run was not what people had approved.
    Refused {
        /// The action.
        action: ActionName,
        /// Who; missing where that was the reason.
        requester: Option<Requester>,
        /// The whole call, where it was captured.
        call: Option<Arc<Call>>,
        /// Which kind of refusal.
        kind: Kind,
        /// In words.
        why: Arc<str>,
        /// The rules that had fired: those that denied it, or that would have had people asked.
        #[serde(default, skip_serializing_if = "Reasons::is_empty")]
        reasons: Reasons,
        /// Of the policy that was asked, or would have been, where it says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy_version: Option<Arc<str>>,
    },
    /// People are asked. The event carries what they are asked.
    Requested {
        /// Everything that was asked.
        asked: Arc<Asked>,
    },
    /// A request was born approved: it uses a grant.
    RequestedUnderGrant {
        /// Everything that was asked.
        asked: Arc<Asked>,
        /// The request whose yes covers it.
        granted_by: RequestId,
    },
    /// A use was taken from this request's grant.
    GrantUsed {
        /// By which request.
        by: RequestId,
        /// How many are left.
        uses_left: u32,
    },
    /// A vote was counted.
    Voted {
        /// The vote.
        vote: Arc<Vote>,
        /// The hash of the presentation that the reviewer saw.
        shown: Digest,
        /// The revision that the reviewer saw.
        seen_revision: u64,
    },
    /// A vote was refused.
    VoteRefused {
        /// Who, when the directory knows them.
        person: Option<PersonId>,
        /// Through which channel identity.
        identity: ChannelIdentity,
        /// What they said.
        choice: Choice,
        /// Why it was refused.
        why: Arc<str>,
        /// Whether they have a part in the request themselves.
        own_request: bool,
    },
    /// The next stage of a track opened.
    StageOpened {
        /// The track.
        track: u8,
        /// The stage.
        stage: u8,
    },
    /// A stage was not decided in time and asks more people now.
    Widened {
        /// The track.
        track: u8,
        /// The stage.
        stage: u8,
    },
    /// Those who are asked and have not answered were reminded.
    Reminded {
        /// The track.
        track: u8,
        /// The stage.
        stage: u8,
    },
    /// Everybody who had to agree has.
    Approved,
    /// It was released by breaking the glass; a review after the fact is owed.
    GlassBroken {
        /// By whom.
        by: PersonId,
    },
    /// The review after the fact was given.
    ReviewedAfterwards {
        /// By whom.
        by: PersonId,
        /// What they found.
        comment: Arc<str>,
    },
    /// Somebody who was asked said no.
    Denied {
        /// Who.
        by: PersonId,
        /// In their words.
        comment: Option<Arc<str>>,
        /// Values that they would agree to.
        proposal: Option<Arc<Proposal>>,
    },
    /// The same call of the same requester was denied in another request.
    DeniedWith {
        /// In which.
        of: RequestId,
    },
    /// The requester took it back.
    Withdrawn {
        /// What was noticed.
        why: Arc<str>,
    },
    /// A deadline passed before everybody agreed.
    Expired,
    /// It was approved and not run in time.
    Lapsed,
    /// An operator took the approval back.
    Revoked {
        /// Who.
        by: PersonId,
        /// In their words.
        reason: Arc<str>,
    },
    /// A gate claimed it.
    Claimed {
        /// The claim's fence.
        fence: u64,
        /// The gate.
        owner: OwnerId,
        /// How many votes no longer counted when it was judged again.
        struck: usize,
        /// Of the policy by which it was judged again, where it says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy_version: Option<Arc<str>>,
    },
    /// The claim was given back unused.
    ClaimReleased {
        /// The claim's fence.
        fence: u64,
    },
    /// The claim ran out unused.
    LeaseLost {
        /// The claim's fence.
        fence: u64,
    },
    /// The body is about to run.
    Started {
        /// The claim's fence.
        fence: u64,
        /// The gate.
        owner: OwnerId,
    },
    /// The body finished.
    Finished {
        /// The claim's fence.
        fence: u64,
        /// Whether it returned `Ok`.
        succeeded: bool,
        /// What the author had to say about it.
        summary: Option<Arc<str>>,
    },
    /// A body reported after its claim was over. Nothing changed; kept as evidence.
    FinishedLate {
        /// The claim's fence.
        fence: u64,
        /// Whether it returned `Ok`.
        succeeded: bool,
    },
    /// It was started and no outcome is known.
    InDoubt {
        /// What was noticed.
        why: Arc<str>,
    },
    /// A person found out what became of it.
    Resolved {
        /// Who.
        by: PersonId,
        /// What they found.
        reason: Arc<str>,
        /// Whether it had run to a good end.
        succeeded: bool,
    },
    /// The grant covers nothing more.
    GrantClosed {
        /// What was noticed.
        why: Arc<str>,
    },
    /// An operator stopped everything.
    Frozen {
        /// Who.
        by: PersonId,
        /// In their words.
        reason: Arc<str>,
    },
    /// An operator lifted the freeze.
    Thawed {
        /// Who.
        by: PersonId,
        /// In their words.
        reason: Arc<str>,
    },
}

/// An event as it is handed to the store, which gives it its time and number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Sinks are idempotent by it.
    pub id: EventId,
    /// The request it is about, and the revision it made; none for calls that policy decided.
    pub about: Option<(RequestId, u64)>,
    /// What happened.
    pub what: What,
}

impl NewEvent {
    /// An event about no request. What looks like a secret in what somebody says is masked.
    #[must_use]
    pub fn new(what: What) -> Self {
        Self {
            id: EventId::new(),
            about: None,
            what: what.masked(),
        }
    }

    /// An event about a request. What looks like a secret in what somebody says is masked.
    #[must_use]
    pub fn about(request: RequestId, revision: u64, what: What) -> Self {
        Self {
            id: EventId::new(),
            about: Some((request, revision)),
            what: what.masked(),
        }
    }
}

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Dense: the store numbers events 1, 2, 3, … without a gap.
    pub number: u64,
    /// Sinks are idempotent by it.
    pub id: EventId,
    /// When the store took it.
    pub at: Timestamp,
    /// The request it is about.
    pub request: Option<RequestId>,
    /// The revision that it made of the request.
    pub revision: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// A sink could not take events. They stay in the store and are offered again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the audit sink failed: {0}")]
pub struct AuditError(pub String);

/// Receives the trail.
///
/// Events arrive in the order of their numbers, possibly more than once: a sink is idempotent by
/// event id. What it has acknowledged by returning `Ok` it keeps. A sink that is `required` holds
/// every effect until it has acknowledged the event that licenses it; the others are fed behind.
///
/// ```
/// use std::sync::Mutex;
/// use approvals_core::{AuditError, AuditSink, Event, async_trait};
///
/// #[derive(Debug, Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// #[async_trait]
/// impl AuditSink for Lines {
///     async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
///         let mut lines = self.0.lock().map_err(|e| AuditError(e.to_string()))?;
///         for event in events {
///             // Idempotent: a number that was seen is not written again.
///             if event.number > lines.len() as u64 {
///                 lines.push(serde_json::to_string(event).map_err(|e| AuditError(e.to_string()))?);
///             }
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait AuditSink: fmt::Debug + Send + Sync {
    /// Takes events, and returns when they cannot be lost any more.
    ///
    /// # Errors
    /// [`AuditError`] when any of them may not be kept. All are offered again.
    async fn record(&self, events: &[Event]) -> Result<(), AuditError>;
}

const _: fn(&dyn AuditSink) = |_| {};

/// A sink as a gate knows it.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    pub(crate) id: SinkId,
    pub(crate) required: bool,
    pub(crate) sink: Arc<dyn AuditSink>,
}
