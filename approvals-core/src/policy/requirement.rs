//! Requirements: who must agree before a call may run.

mod entry;

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Reasons;
use super::reminders::Reminders;
use crate::call::Risk;
use crate::id::{GroupId, NameError, PersonId, RuleId};
use crate::non_empty::NonEmpty;
use crate::shared_set::Groups;

/// The longest deadline that is accepted.
const MAX_DEADLINE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most stages of a requirement, and the most quorums of a stage.
const MAX_STAGES: usize = 16;

/// A requirement that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementError {
    /// A quorum of zero.
    #[error("a quorum of 0 would agree without anybody: ask for at least 1")]
    ZeroQuorum,
    /// An audience of nobody.
    #[error("the audience is empty: name at least one group or person")]
    EmptyAudience,
    /// A member of an audience is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A deadline of nothing, or an absurdly long one.
    #[error("{what} is {given:?}: use between 1 second and 30 days")]
    Duration {
        /// Which deadline.
        what: &'static str,
        /// What was given.
        given: Duration,
    },
    /// A limit of zero.
    #[error("the limit `{what}` is 0, and every request would be refused: use at least 1")]
    ZeroLimit {
        /// Which limit.
        what: &'static str,
    },
    /// More stages or quorums than are allowed.
    #[error("{0} stages or quorums are more than the 16 that are allowed")]
    TooMany(usize),
    /// A grant of no uses.
    #[error("a reuse of fewer than 2 uses is none: leave it out, or ask for 2 or more")]
    ReuseOfOne,
    /// `confirm` has no reviewers to add to.
    #[error("a `confirm` requirement has no stages: make the review a requirement of its own")]
    ConfirmHasNoStages,
}

pub(crate) fn checked(what: &'static str, given: Duration) -> Result<Duration, RequirementError> {
    if given < Duration::from_secs(1) || given > MAX_DEADLINE {
        return Err(RequirementError::Duration { what, given });
    }
    Ok(given)
}

/// Somebody who may be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Member {
    /// Anybody in a group, as the directory says when the vote is cast.
    Group(GroupId),
    /// This person.
    Person(PersonId),
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(group) => write!(f, "{group}"),
            Self::Person(person) => write!(f, "person:{person}"),
        }
    }
}

/// Who is asked: one or more groups or people. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Member>", into = "Vec<Member>")]
pub struct Audience(BTreeSet<Member>);

impl Audience {
    /// Reads `senior-engineers` as a group and `person:alice` as a person.
    ///
    /// # Errors
    /// [`RequirementError`] when the list is empty or a name is malformed.
    pub fn of<I, S>(members: I) -> Result<Self, RequirementError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let members = members
            .into_iter()
            .map(|member| match member.as_ref().strip_prefix("person:") {
                Some(person) => PersonId::new(person).map(Member::Person),
                None => GroupId::new(member.as_ref()).map(Member::Group),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::try_from(members)
    }

    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    /// Whether a person who is in these groups is asked.
    #[must_use]
    pub fn includes(&self, person: &PersonId, groups: &Groups) -> bool {
        self.0.iter().any(|member| match member {
            Member::Group(group) => groups.contains(group),
            Member::Person(asked) => asked == person,
        })
    }
}

impl TryFrom<Vec<Member>> for Audience {
    type Error = RequirementError;
    fn try_from(members: Vec<Member>) -> Result<Self, RequirementError> {
        if members.is_empty() {
            return Err(RequirementError::EmptyAudience);
        }
        Ok(Self(members.into_iter().collect()))
    }
}

impl From<Audience> for Vec<Member> {
    fn from(audience: Audience) -> Self {
        audience.0.into_iter().collect()
    }
}

impl std::fmt::Display for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, member) in self.0.iter().enumerate() {
            let or = if index == 0 { "" } else { " or " };
            write!(f, "{or}{member}")?;
        }
        Ok(())
    }
}

/// So many seats, each for another human, from an audience.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quorum {
    count: NonZeroU8,
    from: Audience,
}

impl Quorum {
    /// `count` different people from an audience.
    ///
    /// # Errors
    /// [`RequirementError`] when `count` is 0 or the audience is empty or malformed.
    pub fn of<I, S>(count: u8, from: I) -> Result<Self, RequirementError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        Ok(Self {
            count: NonZeroU8::new(count).ok_or(RequirementError::ZeroQuorum)?,
            from: Audience::of(from)?,
        })
    }

    /// How many seats: at least one.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count.get() as usize
    }

    /// Who may take them.
    #[must_use]
    pub const fn from(&self) -> &Audience {
        &self.from
    }
}

/// What happens when a stage's deadline passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The request expires.
    Deny,
    /// These are asked as well, for the same seats, with as much time again. Then it expires.
    EscalateTo(Audience),
}

/// One step of a requirement: quorums that must all be seated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stage {
    quorums: NonEmpty<Quorum>,
    decide_within: Duration,
    on_timeout: OnTimeout,
}

impl Stage {
    /// A stage of one quorum, decided within an hour or expired.
    #[must_use]
    pub const fn of(quorum: Quorum) -> Self {
        Self {
            quorums: NonEmpty::of(quorum),
            decide_within: Duration::from_secs(3600),
            on_timeout: OnTimeout::Deny,
        }
    }

    /// Asks for another quorum at the same time.
    #[must_use]
    pub fn and(mut self, quorum: Quorum) -> Self {
        self.quorums = self.quorums.and(quorum);
        self
    }

    /// How long its audience has.
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when it is under a second or over 30 days.
    pub fn decide_within(mut self, time: Duration) -> Result<Self, RequirementError> {
        self.decide_within = checked("decide_within", time)?;
        Ok(self)
    }

    /// Asks these as well when the time has passed, instead of denying.
    #[must_use]
    pub fn escalate_to(mut self, audience: Audience) -> Self {
        self.on_timeout = OnTimeout::EscalateTo(audience);
        self
    }

    /// The quorums.
    #[must_use]
    pub const fn quorums(&self) -> &NonEmpty<Quorum> {
        &self.quorums
    }

    /// How long its audience has.
    #[must_use]
    pub const fn time(&self) -> Duration {
        self.decide_within
    }

    /// What happens then.
    #[must_use]
    pub const fn on_timeout(&self) -> &OnTimeout {
        &self.on_timeout
    }
}

/// Who has to agree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Others: stages in order, each with its quorums.
    Review(NonEmpty<Stage>),
    /// The requester's own principal confirms. Recorded as self-confirmation, never counted as a
    /// review.
    Confirm {
        /// How long the principal has.
        decide_within: Duration,
    },
}

/// One yes that covers several runs of the same digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reuse {
    /// How many runs, the first included: at least 2.
    pub uses: u32,
    /// For how long after the yes.
    pub within: Duration,
}

/// Who must agree, until when, and what else they must do.
///
/// ```
/// use std::time::Duration;
/// use approvals_core::{Audience, Quorum, Requirement, Stage};
/// // Two of the security group; if they do not decide within half an hour, leads are asked too.
/// let requirement = Requirement::review(
///     Stage::of(Quorum::of(2, ["security"])?)
///         .decide_within(Duration::from_secs(30 * 60))?
///         .escalate_to(Audience::of(["leads"])?),
/// )
/// .comment_on_deny();
/// # let _ = requirement;
/// # Ok::<(), approvals_core::RequirementError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requirement {
    agreement: Agreement,
    execute_within: Duration,
    deadline: Duration,
    comment_on_approve: bool,
    comment_on_deny: bool,
    break_glass: Option<GroupId>,
    reuse: Option<Reuse>,
    risk: Risk,
    rule: Option<RuleId>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Reminders::are_none")]
    pub(super) reminders: Reminders,
}

impl Requirement {
    const fn new(agreement: Agreement) -> Self {
        Self {
            agreement,
            execute_within: Duration::from_secs(10 * 60),
            deadline: Duration::from_secs(24 * 3600),
            comment_on_approve: false,
            comment_on_deny: false,
            break_glass: None,
            reuse: None,
            risk: Risk::Low,
            rule: None,
            why: None,
            reminders: Reminders {
                after: None,
                every: None,
            },
        }
    }

    /// A review that starts with this stage.
    #[must_use]
    pub const fn review(first: Stage) -> Self {
        Self::new(Agreement::Review(NonEmpty::of(first)))
    }

    /// One person of a group (or `person:alice`) must agree.
    ///
    /// # Errors
    /// [`RequirementError`] when the name is malformed.
    pub fn one_of(who: &str) -> Result<Self, RequirementError> {
        Self::some_of(1, who)
    }

    /// `count` different people of a group must agree.
    ///
    /// # Errors
    /// [`RequirementError`] when `count` is 0 or the name is malformed.
    pub fn some_of(count: u8, group: &str) -> Result<Self, RequirementError> {
        Ok(Self::review(Stage::of(Quorum::of(count, [group])?)))
    }

    /// The requester's own principal confirms: for a developer and his own agent. Never counted as
    /// a review.
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when the time is under a second or over 30 days.
    pub fn confirm(decide_within: Duration) -> Result<Self, RequirementError> {
        Ok(Self::new(Agreement::Confirm {
            decide_within: checked("decide_within", decide_within)?,
        }))
    }

    /// Adds a stage that opens when the former ones are met.
    ///
    /// # Errors
    /// [`RequirementError`] when it is a `confirm` requirement or has too many stages.
    pub fn then(mut self, stage: Stage) -> Result<Self, RequirementError> {
        match self.agreement {
            Agreement::Review(stages) if stages.count() < MAX_STAGES => {
                self.agreement = Agreement::Review(stages.and(stage));
                Ok(self)
            }
            Agreement::Review(stages) => Err(RequirementError::TooMany(stages.count() + 1)),
            Agreement::Confirm { .. } => Err(RequirementError::ConfirmHasNoStages),
        }
    }

    /// How long an approval may wait to be run (default 10 minutes).
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when it is under a second or over 30 days.
    pub fn execute_within(mut self, time: Duration) -> Result<Self, RequirementError> {
        self.execute_within = checked("execute_within", time)?;
        Ok(self)
    }

    /// How long the whole request may take, whatever its stages allow (default 24 hours).
    ///
    /// # Errors
    /// [`RequirementError::Duration`] when it is under a second or over 30 days.
    pub fn deadline(mut self, time: Duration) -> Result<Self, RequirementError> {
        self.deadline = checked("deadline", time)?;
        Ok(self)
    }

    /// Reviewers must say why they approve.
    #[must_use]
    pub const fn comment_on_approve(mut self) -> Self {
        self.comment_on_approve = true;
        self
    }

    /// Reviewers must say why they deny.
    #[must_use]
    pub const fn comment_on_deny(mut self) -> Self {
        self.comment_on_deny = true;
        self
    }

    /// Members of this group may release alone, with a reason; a review after the fact is owed.
    ///
    /// # Errors
    /// [`NameError`] when the group's name is malformed.
    pub fn break_glass(mut self, group: &str) -> Result<Self, NameError> {
        self.break_glass = Some(GroupId::new(group)?);
        Ok(self)
    }

    /// One yes covers so many runs of the same digest, shown to the reviewer as such.
    ///
    /// # Errors
    /// [`RequirementError`] for fewer than 2 uses or an absurd duration.
    pub fn reuse(mut self, uses: u32, within: Duration) -> Result<Self, RequirementError> {
        if uses < 2 {
            return Err(RequirementError::ReuseOfOne);
        }
        self.reuse = Some(Reuse {
            uses,
            within: checked("the time of a reuse", within)?,
        });
        Ok(self)
    }

    /// At least this risk, whatever the author's hint says.
    #[must_use]
    pub const fn at_least(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }

    /// The id and the reason under which a requirement that is used as a policy reports itself.
    ///
    /// # Errors
    /// [`NameError`] when the id is malformed.
    pub fn named(mut self, rule: &str, why: &str) -> Result<Self, NameError> {
        self.rule = Some(RuleId::new(rule)?);
        self.why = Some(why.to_owned());
        Ok(self)
    }

    pub(super) fn reasons(&self) -> Reasons {
        let why = self.why.as_deref().unwrap_or("every call is reviewed");
        match &self.rule {
            Some(rule) => Reasons::of(rule.clone(), why),
            None => Reasons::rule("requirement", why).unwrap_or_else(|_| Reasons::all([])),
        }
    }

    /// Who has to agree.
    #[must_use]
    pub const fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// The review's stages; none for `confirm`.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        let stages = match &self.agreement {
            Agreement::Review(stages) => Some(stages),
            Agreement::Confirm { .. } => None,
        };
        stages.into_iter().flat_map(NonEmpty::iter)
    }

    /// How long an approval may wait to be run.
    #[must_use]
    pub const fn run_time(&self) -> Duration {
        self.execute_within
    }

    /// How long the whole request may take.
    #[must_use]
    pub const fn whole_time(&self) -> Duration {
        self.deadline
    }

    /// Whether a yes needs a comment.
    #[must_use]
    pub const fn wants_comment_on_approve(&self) -> bool {
        self.comment_on_approve
    }

    /// Whether a no needs a comment.
    #[must_use]
    pub const fn wants_comment_on_deny(&self) -> bool {
        self.comment_on_deny
    }

    /// The group whose members may release alone.
    #[must_use]
    pub const fn break_glass_group(&self) -> Option<&GroupId> {
        self.break_glass.as_ref()
    }

    /// How often a yes may be used.
    #[must_use]
    pub const fn reuse_terms(&self) -> Option<Reuse> {
        self.reuse
    }

    /// The least risk that it sees in the call.
    #[must_use]
    pub const fn risk(&self) -> Risk {
        self.risk
    }

    /// Every group that it asks or may ask.
    pub fn groups(&self) -> impl Iterator<Item = &GroupId> {
        self.stages()
            .flat_map(|stage| {
                let widened = match stage.on_timeout() {
                    OnTimeout::Deny => None,
                    OnTimeout::EscalateTo(audience) => Some(audience),
                };
                stage
                    .quorums()
                    .iter()
                    .map(Quorum::from)
                    .chain(widened)
                    .flat_map(Audience::members)
            })
            .filter_map(|member| match member {
                Member::Group(group) => Some(group),
                Member::Person(_) => None,
            })
            .chain(&self.break_glass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_of_zero_and_an_empty_audience_are_refused_with_the_fix() {
        assert_eq!(
            Quorum::of(0, ["security"]).unwrap_err().to_string(),
            "a quorum of 0 would agree without anybody: ask for at least 1"
        );
        assert_eq!(
            Quorum::of::<_, &str>(1, []).unwrap_err().to_string(),
            "the audience is empty: name at least one group or person"
        );
        assert!(serde_json::from_str::<Audience>("[]").is_err());
        assert!(serde_json::from_str::<NonEmpty<u8>>("[]").is_err());
    }

    #[test]
    fn an_absurd_duration_names_the_field_and_the_range() {
        let stage = Stage::of(Quorum::of(1, ["security"]).unwrap());
        assert_eq!(
            stage.decide_within(Duration::ZERO).unwrap_err().to_string(),
            "decide_within is 0ns: use between 1 second and 30 days"
        );
        let requirement = Requirement::one_of("security").unwrap();
        assert!(requirement.clone().deadline(Duration::MAX).is_err());
        assert!(requirement.reuse(1, Duration::from_secs(60)).is_err());
    }
}
