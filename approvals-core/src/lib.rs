//! Action-level approvals: the body of an annotated async function runs only when policy allows
//! this very call, or the right people said yes to exactly it.
//!
//! The modules read in this order: [`id`], [`time`], [`principal`], [`call`], [`digest`],
//! [`policy`], [`review`], [`presentation`], the ports [`approver`], [`directory`], [`store`],
//! [`audit`], then [`desk`] (votes in), [`gate`] (calls in), [`permit`], [`error`], and [`memory`]
//! (in-memory adapters).

#![deny(clippy::wildcard_enum_match_arm)]

pub mod approver;
pub mod audit;
pub mod call;
pub mod canonical;
pub mod desk;
pub mod digest;
pub mod directory;
pub mod error;
pub mod gate;
pub mod id;
pub mod memory;
pub mod non_empty;
pub mod observe;
mod packed;
pub mod permit;
pub mod policy;
pub mod presentation;
pub mod principal;
pub mod registry;
pub mod review;
pub mod secrets;
pub mod shared_set;
pub mod store;
pub mod text;
pub mod time;

#[doc(hidden)]
pub mod modelled;
#[doc(hidden)]
pub mod private;
mod refusable;

pub use async_trait::async_trait;

#[cfg(feature = "macros")]
pub use approvals_macros::requires_approval;

pub use approver::{Approver, ApproverError, Coverage, Notice, Receipt};
pub use audit::{AuditError, AuditSink, Event, NewEvent, What};
pub use call::{Argument, Arguments, Bound, Call, CallError, Declaration, RedactionKey, Risk};
pub use desk::{CastVote, ChannelDesk, Desk, VoteError};
pub use digest::Digest;
pub use directory::{Directory, DirectoryError, LinkRefused, Members, Resolved, Voter, Whom};
pub use error::{ApprovalError, Kind};
pub use gate::{
    Admitted, AllowRecording, Gate, GateBuilder, GateError, InstallError, detached, spawn,
};
pub use id::{
    ActionName, ChannelId, Environment, EventId, GroupId, IdempotencyKey, NameError, OwnerId,
    PersonId, PolicyName, RequestId, RuleId, SinkId,
};
pub use non_empty::NonEmpty;
pub use permit::Permit;
pub use policy::{
    Agreement, Audience, Facts, Membership, Mentions, Policy, Quorum, Reasons, Reminders,
    Requirement, RequirementError, Rules, Stage, Strictest, Verdict,
};
pub use presentation::Presentation;
pub use principal::{ChannelIdentity, PrincipalId, PrincipalKind, Requester};
pub use refusable::Refusable;
pub use registry::{GuardedAction, guarded_actions};
pub use review::{Choice, Limits, Phase, Record, State};
pub use shared_set::{Groups, People, SharedSet};
pub use store::{RequestStore, StoreError};
pub use time::{Clock, ClockError, SystemClock, Timestamp, TokioClock};

/// The README's code, so that every block of it compiles, and what can run does.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
