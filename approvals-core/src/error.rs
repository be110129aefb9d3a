//! Why a call did not run, written for whoever made it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ActionName, PersonId, RequestId};
use crate::policy::Reasons;
use crate::review::Proposal;
use crate::text::{Lines, escape};

/// Which kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A person said no.
    Denied,
    /// Policy said no.
    DeniedByPolicy,
    /// Nobody decided in time.
    TimedOut,
    /// It was approved and not run in time.
    Lapsed,
    /// The requester took the request back.
    Withdrawn,
    /// An operator took the approval back.
    Revoked,
    /// An operator has frozen the gate.
    Frozen,
    /// What would run is not what was approved.
    Changed,
    /// The approval is no longer enough: a voter or the policy changed.
    NoLongerApproved,
    /// The same logical call has finished already.
    AlreadyFinished,
    /// Nobody was asked: too many requests, or the same call was denied a short while ago.
    NotAsked,
    /// The same call may have run already; a person has to find out.
    InDoubt,
    /// The call, its requester or the gate's setup is not such that it could be judged.
    Invalid,
    /// Something that is needed to judge the call cannot be reached.
    Unavailable,
    /// People are asked, and the call was not to wait for them: made again later, it finds out.
    Pending,
    /// What was asked of a request came after people had decided about it: that stands.
    Decided,
}

impl Kind {
    /// As it stands in messages, metrics and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::DeniedByPolicy => "denied_by_policy",
            Self::TimedOut => "timed_out",
            Self::Lapsed => "lapsed",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Frozen => "frozen",
            Self::Changed => "changed",
            Self::NoLongerApproved => "no_longer_approved",
            Self::AlreadyFinished => "already_finished",
            Self::NotAsked => "not_asked",
            Self::InDoubt => "in_doubt",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Pending => "pending",
            Self::Decided => "decided",
        }
    }

    /// Whether calling again, unchanged, may go otherwise, and when.
    const fn retry(self) -> &'static str {
        match self {
            Self::Denied => "Do not retry unchanged.",
            Self::DeniedByPolicy => "Retrying will not help.",
            Self::TimedOut | Self::Lapsed => "You may ask again later.",
            Self::Withdrawn => "You may ask again.",
            Self::Revoked => "Do not retry unless an operator tells you to.",
            Self::Frozen => "You may retry when the freeze is lifted.",
            Self::Changed => "Make the call again with the values that should run.",
            Self::NoLongerApproved => "You may ask again.",
            Self::AlreadyFinished => "Do not run it again.",
            Self::NotAsked => "Do not retry now.",
            Self::InDoubt => "Do not retry: a person has to find out what happened first.",
            Self::Invalid => "Retrying will not help until this is mended.",
            Self::Unavailable => "You may retry later.",
            Self::Decided => "Retrying will not change that.",
            Self::Pending => "Make the same call again later: it finds this request.",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What stood between a call and its body.
///
/// `Display` is written for the agent that made the call: what happened, by whom, their comment,
/// and whether retrying makes sense. It holds no secret. [`detail`](Self::detail) and `source` are
/// for the operator.
#[derive(Clone)]
pub struct ApprovalError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    action: Option<ActionName>,
    message: String,
    by: Option<PersonId>,
    comment: Option<Arc<str>>,
    proposal: Option<Arc<Proposal>>,
    request: Option<RequestId>,
    succeeded: Option<bool>,
    reasons: Reasons,
    detail: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ApprovalError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        // A message may quote what it was given: a key of a map, a policy's reason.
        let message = match crate::secrets::mask(&message) {
            Some((masked, _)) => masked,
            None => message,
        };
        Self(Box::new(Inner {
            kind,
            action: None,
            message,
            by: None,
            comment: None,
            proposal: None,
            request: None,
            succeeded: None,
            reasons: Reasons::default(),
            detail: None,
            source: None,
        }))
    }

    pub(crate) fn invalid(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(Kind::Invalid, source.to_string()).because(source)
    }

    /// Something that is needed cannot be reached: the agent learns what, the operator why.
    pub(crate) fn unavailable(
        what: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::new(Kind::Unavailable, format!("{what} cannot be reached"))
            .detailed(source.to_string())
            .because(source)
    }

    pub(crate) fn action(mut self, action: &ActionName) -> Self {
        self.0.action.get_or_insert_with(|| action.clone());
        self
    }

    pub(crate) fn request(mut self, request: RequestId) -> Self {
        self.0.request = Some(request);
        self
    }

    pub(crate) fn by(mut self, by: &PersonId, comment: Option<Arc<str>>) -> Self {
        self.0.by = Some(by.clone());
        self.0.comment = comment;
        self
    }

    pub(crate) fn proposing(mut self, proposal: Option<Arc<Proposal>>) -> Self {
        self.0.proposal = proposal;
        self
    }

    pub(crate) fn finished(mut self, succeeded: bool) -> Self {
        self.0.succeeded = Some(succeeded);
        self
    }

    /// By these rules of a policy.
    pub(crate) fn fired(mut self, reasons: Reasons) -> Self {
        self.0.reasons = reasons.masked();
        self
    }

    /// The rules that fired, for the trail.
    pub(crate) fn reasons(&self) -> Reasons {
        self.0.reasons.clone()
    }

    pub(crate) fn detailed(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Which kind of refusal.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether people or policy said no.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self.0.kind, Kind::Denied | Kind::DeniedByPolicy)
    }

    /// Whether nobody decided, or the approval was not used, in time.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self.0.kind, Kind::TimedOut | Kind::Lapsed)
    }

    /// Whether an operator has frozen the gate.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.0.kind == Kind::Frozen
    }

    /// Whether the same call may have run already.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.0.kind == Kind::InDoubt
    }

    /// Whether something that is needed could not be reached.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == Kind::Unavailable
    }

    /// Whether people are asked, and the call was not to wait for them.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.0.kind == Kind::Pending
    }

    /// The same logical call has finished already: whether it succeeded.
    #[must_use]
    pub fn finished_before(&self) -> Option<bool> {
        self.0.succeeded
    }

    /// The action that did not run.
    #[must_use]
    pub fn action_name(&self) -> Option<&ActionName> {
        self.0.action.as_ref()
    }

    /// The request, if one was made.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        self.0.request
    }

    /// Who said no.
    #[must_use]
    pub fn denied_by(&self) -> Option<&PersonId> {
        self.0.by.as_ref()
    }

    /// The reviewer's or operator's comment.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    /// Values for arguments that the reviewer would agree to, by argument name.
    #[must_use]
    pub fn proposal(&self) -> Option<&Proposal> {
        self.0.proposal.as_deref()
    }

    /// What an operator needs to know beyond the message.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

impl fmt::Display for ApprovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let message = line(&inner.message);
        match &inner.action {
            // It may have run: what was asked is something else of its request.
            _ if inner.kind == Kind::Decided => f.write_str(&message)?,
            Some(action) => write!(f, "`{action}` did not run: {message}")?,
            None => write!(f, "the call did not run: {message}")?,
        }
        if let Some(by) = &inner.by {
            write!(f, ", by {by}")?;
        }
        if let Some(comment) = &inner.comment {
            // Its own quotes are escaped, so that it ends where it seems to end.
            write!(f, ": \"{}\"", line(comment).replace('"', "\\\""))?;
        }
        if !inner.message.ends_with('.') {
            f.write_str(".")?;
        }
        if let Some(proposal) = &inner.proposal
            && let Ok(values) = serde_json::to_string(proposal.as_ref())
        {
            let values = line(&values);
            write!(f, " These values would be agreed to: {values}.")?;
        }
        write!(f, " {}", inner.kind.retry())
    }
}

fn line(text: &str) -> Cow<'_, str> {
    escape(text, Lines::Escape)
}

impl fmt::Debug for ApprovalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApprovalError")
            .field("kind", &self.0.kind)
            .field("action", &self.0.action)
            .field("message", &self.0.message)
            .field("request", &self.0.request)
            .field("detail", &self.0.detail)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ApprovalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
