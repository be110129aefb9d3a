//! What became of one request.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use approvals_core::review::Asked;
use approvals_core::{Choice, Digest, OwnerId, PersonId, Phase, RequestId, Timestamp};

/// How long people have who are asked to hurry.
const HURRIED_FOR: Duration = Duration::from_secs(1);

/// Who may break the glass.
const OPENER: &str = "gina";

/// What became of one request.
#[derive(Debug, Clone)]
pub struct History {
    /// How many people have to agree.
    pub(super) needs: u64,
    /// The logical call, as its arguments name it; none where several calls are the same.
    pub call: Option<String>,
    pub(super) digest: Digest,
    /// From then on nobody may agree any more, where that is soon.
    pub(super) decide_by: Option<Timestamp>,
    /// Every phase that it was in, in order.
    pub phases: Vec<Phase>,
    /// Everybody's last word.
    pub(super) says: HashMap<PersonId, Choice>,
    /// Every vote that was counted: person, choice, revision.
    pub(super) votes: HashSet<(String, Choice, u64)>,
    /// Whoever said something that decided.
    pub(super) deciders: HashSet<String>,
    /// The claim that was started.
    pub started: Option<(u64, OwnerId)>,
    /// Whether the body reported its end, or a person found out.
    pub outcome: Option<bool>,
    pub(super) claimed: u64,
    /// Who broke the glass.
    pub(super) opener: Option<PersonId>,
    /// Whether somebody else looked at that afterwards.
    pub(super) reviewed: bool,
    /// Whose yes covers it.
    pub(super) granted_by: Option<RequestId>,
    /// What its own yes covers beside itself: how many, and which.
    pub(super) covers: u64,
    pub(super) covered: Vec<RequestId>,
    /// Whether it covers nothing more.
    pub(super) closed: bool,
}

impl History {
    pub(super) fn of(asked: &Asked, granted_by: Option<RequestId>) -> Self {
        let number = |name| asked.call.argument(name).and_then(|a| a.as_u64());
        let text = |name| asked.call.argument(name).and_then(|a| a.as_str());
        let people = number("people");
        let reuse = asked.tracks.iter().find_map(|track| track.reuse_terms());
        Self {
            needs: match people {
                _ if granted_by.is_some() => 0,
                Some(2 | 5) => 2,
                _ => 1,
            },
            call: text("call").or_else(|| text("race")),
            digest: asked.digest,
            decide_by: (people == Some(3) || number("hurry") == Some(1))
                .then(|| asked.asked_at.plus(HURRIED_FOR)),
            phases: vec![Phase::Pending],
            says: HashMap::new(),
            votes: HashSet::new(),
            deciders: HashSet::new(),
            started: None,
            outcome: None,
            claimed: 0,
            opener: None,
            reviewed: false,
            granted_by,
            covers: reuse.map_or(0, |reuse| u64::from(reuse.uses) - 1),
            covered: Vec::new(),
            closed: false,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phases.last().copied().unwrap_or(Phase::Pending)
    }

    /// Whether it ever was there.
    #[must_use]
    pub fn was(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }

    /// Whether somebody owes it a look.
    #[must_use]
    pub const fn owes_review(&self) -> bool {
        self.opener.is_some() && !self.reviewed
    }

    /// Whether the glass was broken for it.
    #[must_use]
    pub const fn was_opened(&self) -> bool {
        self.opener.is_some()
    }

    /// Whether another request's yes covers it.
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        self.granted_by.is_some()
    }

    /// Whether this person said yes, said no or took the yes back.
    pub(crate) fn was_decided_by(&self, who: &str) -> bool {
        self.deciders.contains(who)
    }

    /// Whether enough people have said yes and nobody no, or somebody who may broke the glass.
    pub(super) fn has_yes(&self) -> bool {
        let said = |choice| self.says.values().filter(|said| **said == choice).count();
        let yes = u64::try_from(said(Choice::Approve)).unwrap_or(0);
        let opened = self.opener.as_ref().is_some_and(|opener| {
            opener.as_str() == OPENER && self.says.get(opener) == Some(&Choice::BreakGlass)
        });
        (yes >= self.needs || opened) && said(Choice::Deny) == 0
    }

    /// Takes note of somebody's word.
    pub(super) fn says(&mut self, who: &PersonId, choice: Choice, revision: u64) {
        self.votes.insert((who.to_string(), choice, revision));
        self.says.insert(who.clone(), choice);
        if choice == Choice::Approve {
            self.deciders.insert(who.to_string());
        }
    }
}
