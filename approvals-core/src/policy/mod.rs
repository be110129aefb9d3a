//! Policies: pure functions from a call and looked-up facts to a verdict.

mod combine;
mod reminders;
mod requirement;
mod rules;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use combine::Strictest;
pub use reminders::Reminders;
pub(crate) use requirement::checked;
pub use requirement::{
    Agreement, Audience, Member, OnTimeout, Quorum, Requirement, RequirementError, Reuse, Stage,
};
pub use rules::Rules;

use crate::call::Call;
use crate::id::{ActionName, GroupId, NameError, RuleId};
use crate::non_empty::NonEmpty;
use crate::secrets;
use crate::time::Timestamp;

/// One rule that took part in a verdict, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FiredRule {
    /// The rule's id.
    pub id: RuleId,
    /// Why it gave what it gave, for people to read.
    pub why: Arc<str>,
}

/// The rules that gave a verdict. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reasons(Arc<[FiredRule]>);

impl Reasons {
    /// One rule and why it fired.
    ///
    /// # Errors
    /// [`NameError`] when the rule's id is malformed.
    pub fn rule(id: &str, why: &str) -> Result<Self, NameError> {
        Ok(Self::of(RuleId::new(id)?, why))
    }

    /// One rule and why it fired.
    #[must_use]
    pub fn of(id: RuleId, why: &str) -> Self {
        Self(Arc::from([FiredRule {
            id,
            why: why.into(),
        }]))
    }

    /// These rules.
    #[must_use]
    pub fn all(rules: impl IntoIterator<Item = FiredRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// No rule fired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same, where nothing that a rule says looks like a secret: an error of a policy may quote
    /// what it was given.
    pub(crate) fn masked(self) -> Self {
        let clean = |rule: &FiredRule| secrets::find(&rule.why).is_empty();
        if self.iter().all(clean) {
            return self;
        }
        Self::all(self.iter().map(|rule| FiredRule {
            id: rule.id.clone(),
            why: match secrets::mask(&rule.why) {
                Some((masked, _)) => masked.into(),
                None => Arc::clone(&rule.why),
            },
        }))
    }

    /// The rules, in the order in which they fired.
    pub fn iter(&self) -> impl Iterator<Item = &FiredRule> {
        self.0.iter()
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(f, "{comma}{} ({})", rule.why, rule.id)?;
        }
        Ok(())
    }
}

/// What policy says about a call. Exhaustive on purpose: whoever matches handles every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call may run.
    Allow(Reasons),
    /// The call may not run, whoever agrees.
    Deny(Reasons),
    /// The call may run when every one of these requirements is met, each a track of its own.
    Review(NonEmpty<Arc<Requirement>>, Reasons),
}

impl Verdict {
    /// One requirement must be met.
    #[must_use]
    pub fn review(requirement: Requirement, reasons: Reasons) -> Self {
        Self::Review(NonEmpty::of(Arc::new(requirement)), reasons)
    }

    /// The rules that gave it.
    #[must_use]
    pub const fn reasons(&self) -> &Reasons {
        match self {
            Self::Allow(reasons) | Self::Deny(reasons) | Self::Review(_, reasons) => reasons,
        }
    }
}

/// Whether somebody is in a group. `Unknown` is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// The person is in the group.
    Member,
    /// The person is not.
    NotMember,
    /// The directory cannot say.
    Unknown,
}

/// What the gate looked up before it asked a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The store's time.
    pub now: Timestamp,
    /// Those of the groups in [`Mentions::requester_groups`] that a principal of the requester's
    /// chain is in.
    pub requester_groups: BTreeSet<GroupId>,
}

/// The groups that a policy needs. `Gate`'s `build` refuses when one does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Groups that its requirements ask.
    pub reviewer_groups: BTreeSet<GroupId>,
    /// Groups whose membership it wants to know of the requester.
    pub requester_groups: BTreeSet<GroupId>,
}

impl Mentions {
    /// Adds what another policy mentions.
    pub fn extend(&mut self, other: Self) {
        self.reviewer_groups.extend(other.reviewer_groups);
        self.requester_groups.extend(other.requester_groups);
    }
}

/// Judges calls.
///
/// Pure and total: the same call and facts give the same verdict, nothing is looked up, and an
/// error inside becomes [`Verdict::Deny`] with the error as the reason. A policy that panics
/// denies.
///
/// ```
/// use approvals_core::{Call, Facts, Policy, Reasons, Requirement, Verdict};
///
/// /// Exports of up to a thousand rows run; larger ones need one senior engineer.
/// #[derive(Debug)]
/// struct Exports {
///     small: Reasons,
///     large: Reasons,
///     review: Requirement,
/// }
///
/// impl Policy for Exports {
///     fn evaluate(&self, call: &Call, _facts: &Facts) -> Verdict {
///         match call.argument("rows").and_then(|rows| rows.as_u64()) {
///             Some(0..=1_000) => Verdict::Allow(self.small.clone()),
///             // A missing or odd argument is asked about, never waved through.
///             _ => Verdict::review(self.review.clone(), self.large.clone()),
///         }
///     }
/// }
/// # let _ = Exports {
/// #     small: Reasons::rule("small-export", "at most 1,000 rows")?,
/// #     large: Reasons::rule("large-export", "more than 1,000 rows")?,
/// #     review: Requirement::one_of("senior-engineers")?,
/// # };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Policy: fmt::Debug + Send + Sync {
    /// Judges a call.
    fn evaluate(&self, call: &Call, facts: &Facts) -> Verdict;

    /// Judges every call of an action alike, before arguments are captured; `None` when it depends
    /// on the call. `Review` is treated as `None`: reviewers need to see the arguments.
    fn by_action(&self, action: &ActionName) -> Option<Verdict> {
        let _ = action;
        None
    }

    /// The groups it needs.
    fn mentions(&self) -> Mentions {
        Mentions::default()
    }

    /// What tells this version of the policy from others, recorded beside every verdict: a hash of
    /// its text, a release, a commit. Not part of the digest.
    fn version(&self) -> Option<&str> {
        None
    }
}

// Compiles only while the trait is object-safe.
const _: fn(&dyn Policy) = |_| {};

/// A requirement is itself a policy: every call is reviewed.
impl Policy for Requirement {
    fn evaluate(&self, _call: &Call, _facts: &Facts) -> Verdict {
        Verdict::review(self.clone(), self.reasons())
    }

    fn mentions(&self) -> Mentions {
        Mentions {
            reviewer_groups: self.groups().cloned().collect(),
            requester_groups: BTreeSet::new(),
        }
    }
}

/// A policy from a closure.
///
/// ```
/// use approvals_core::{Reasons, Verdict, policy};
/// let frozen = Reasons::rule("read-only", "the system is read-only this week")?;
/// let policy = policy::from_fn(move |_call, _facts| Verdict::Deny(frozen.clone()));
/// # let _ = policy;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Name the groups that its requirements ask with [`FromFn::mentioning`], so that `build` checks
/// that they exist.
pub fn from_fn<F>(judge: F) -> FromFn<F>
where
    F: Fn(&Call, &Facts) -> Verdict + Send + Sync,
{
    FromFn {
        judge,
        mentions: Mentions::default(),
    }
}

/// See [`from_fn`].
pub struct FromFn<F> {
    judge: F,
    mentions: Mentions,
}

impl<F> FromFn<F> {
    /// Names what the closure's requirements ask and its conditions look at.
    #[must_use]
    pub fn mentioning(mut self, mentions: Mentions) -> Self {
        self.mentions.extend(mentions);
        self
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn")
            .field("mentions", &self.mentions)
            .finish_non_exhaustive()
    }
}

impl<F> Policy for FromFn<F>
where
    F: Fn(&Call, &Facts) -> Verdict + Send + Sync,
{
    fn evaluate(&self, call: &Call, facts: &Facts) -> Verdict {
        (self.judge)(call, facts)
    }

    fn mentions(&self) -> Mentions {
        self.mentions.clone()
    }
}
