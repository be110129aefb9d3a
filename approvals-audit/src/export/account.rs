//! What an event means to somebody who does not know this project: who did what, and what came of
//! it.

use std::borrow::Cow;
use std::sync::Arc;

use approvals_core::digest::Digest;
use approvals_core::policy::Reasons;
use approvals_core::{Call, ChannelIdentity, Groups, PersonId, Requester, Risk};

use crate::reading::{Context, Recorded, Told};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Policy allowed the call.
    Allowed,
    /// People agreed.
    Approved,
    /// A person said no.
    Rejected,
    /// One of those who are asked said yes. That alone decides nothing.
    SaidYes,
    /// One of those who are asked said no.
    SaidNo,
    /// Policy, a rule of the gate or time said no.
    Blocked,
    /// An approval was taken back.
    Revoked,
    /// Somebody was not allowed to vote as they did.
    Unauthorized,
    /// Nobody knows, or nothing could be judged.
    Error,
    /// People are still asked.
    Pending,
    /// It is noted, and decides nothing.
    Noted,
    /// What was stopped goes on.
    Restored,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::SaidYes => "said_yes",
            Self::SaidNo => "said_no",
            Self::Blocked => "blocked",
            Self::Revoked => "revoked",
            Self::Unauthorized => "unauthorized",
            Self::Error => "error",
            Self::Pending => "pending",
            Self::Noted => "noted",
            Self::Restored => "restored",
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor<'a> {
    /// Whoever made the call.
    Requester,
    /// A person whom the directory knows.
    Person(&'a PersonId),
    /// A channel identity of nobody whom the directory knows.
    Stranger,
    /// The gate itself: time passed, or work went on.
    Gate,
}

/// How much attention it deserves beside the risk of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attention {
    Routine,
    /// A call that policy allowed: informational.
    Informational,
    /// Worth a look, whatever the risk.
    Alert,
}

/// An event, told.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) recorded: &'a Recorded,
    /// Its kind, as it is written: `vote_refused`.
    pub(crate) event: Cow<'a, str>,
    /// The kind of thing that it is about.
    pub(crate) subject: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) actor: Actor<'a>,
    pub(crate) attention: Attention,
    pub(crate) message: String,
    /// Through which channel identity.
    pub(crate) identity: Option<&'a ChannelIdentity>,
    pub(crate) groups: Option<&'a Groups>,
    pub(crate) choice: Option<&'static str>,
    /// In people's words.
    pub(crate) comment: Option<&'a str>,
    /// Whether the body ended well.
    pub(crate) succeeded: Option<bool>,
    pub(crate) fence: Option<u64>,
    pub(crate) place: Option<(u8, u8)>,
    pub(crate) call: About<'a>,
}

/// What it is about, as far as that is known.
#[derive(Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) action: Option<Cow<'a, str>>,
    pub(crate) requester: Option<&'a Requester>,
    pub(crate) resource: Option<Cow<'a, str>>,
    pub(crate) environment: Option<Cow<'a, str>>,
    pub(crate) risk: Option<Risk>,
    pub(crate) policy: Option<Cow<'a, str>>,
    pub(crate) policy_version: Option<&'a str>,
    pub(crate) reasons: Option<&'a Reasons>,
    pub(crate) requirements: &'a [String],
    pub(crate) digest: Option<Digest>,
    pub(crate) shown: Option<Digest>,
}

impl<'a> About<'a> {
    fn asked(context: &'a Context) -> Self {
        Self {
            action: Some(Cow::Borrowed(&context.action)),
            requester: Some(&context.requester),
            resource: context.resource.as_deref().map(Cow::Borrowed),
            environment: context.environment.as_deref().map(Cow::Borrowed),
            risk: Some(context.risk),
            policy: Some(Cow::Borrowed(&context.policy)),
            policy_version: context.policy_version.as_deref(),
            reasons: Some(&context.reasons),
            requirements: &context.requirements,
            digest: Some(context.digest),
            shown: Some(context.shown),
        }
    }

    pub(super) fn call(call: &'a Call) -> Self {
        Self {
            action: Some(Cow::Borrowed(call.action().as_str())),
            requester: Some(call.requester()),
            resource: call.resource().map(Cow::Borrowed),
            environment: call.environment().map(|e| Cow::Borrowed(e.as_str())),
            risk: Some(call.risk()),
            policy: Some(Cow::Borrowed(call.declaration().policy.as_str())),
            digest: Some(call.digest()),
            ..Self::default()
        }
    }
}

impl<'a> Account<'a> {
    /// Whether somebody voted on what they have a part in.
    pub(crate) fn is_of_ones_own_request(&self) -> bool {
        match &self.recorded.told {
            Told::Whole(event) => matches!(
                event.what,
                approvals_core::What::VoteRefused {
                    own_request: true,
                    ..
                }
            ),
            Told::Destroyed { .. } | Told::Repeats { .. } => false,
        }
    }

    /// `None` for an entry that repeats another: it was told when that was.
    pub(crate) fn of(recorded: &'a Recorded, context: Option<&'a Arc<Context>>) -> Option<Self> {
        let mut account = Account {
            recorded,
            event: Cow::Borrowed(""),
            subject: if recorded.request.is_some() {
                "request"
            } else {
                "call"
            },
            outcome: Outcome::Noted,
            actor: Actor::Gate,
            attention: Attention::Routine,
            message: String::new(),
            identity: None,
            groups: None,
            choice: None,
            comment: None,
            succeeded: None,
            fence: None,
            place: None,
            call: context
                .map(|context| About::asked(context))
                .unwrap_or_default(),
        };
        match &recorded.told {
            Told::Repeats { .. } => return None,
            Told::Destroyed { what } => {
                account.event = Cow::Borrowed(what);
                "The text of this event was destroyed; the log still has its hash."
                    .clone_into(&mut account.message);
            }
            Told::Whole(event) => {
                let told = account.tell(&event.what);
                account.event = Cow::Borrowed(told.event);
                account.outcome = told.outcome;
                account.actor = told.actor;
                account.message = told.message.into_owned();
            }
        }
        Some(account)
    }
}
