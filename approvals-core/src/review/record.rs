//! The record of one request.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::State;
use super::vote::Vote;
use crate::call::{Call, Risk};
use crate::digest::Digest;
use crate::id::{GroupId, OwnerId, PersonId, RequestId};
use crate::non_empty::NonEmpty;
use crate::policy::{Reasons, Requirement};
use crate::principal::PrincipalId;
use crate::shared_set::People;
use crate::time::Timestamp;

/// The newest version of [`Record`]'s form that is known here. A writer that knows an older one may
/// read, not swap.
///
/// A record is written in the oldest form that says all of it, so that replicas of an older version
/// go on working on whatever needs nothing new. Form 2 is of requests that remind people: an older
/// version would take what is due for nothing, over and over, and drop the reminders.
pub const SCHEMA: u16 = 2;

/// The oldest form that says all of a request.
pub(super) fn form(asked: &Asked) -> u16 {
    let reminds = asked
        .tracks
        .iter()
        .any(|track| !track.reminders().are_none());
    if reminds { SCHEMA } else { 1 }
}

/// What was asked: fixed when the request is made, shared by everything that shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The request.
    pub id: RequestId,
    /// The call, as it may be shown: secrets that patterns found are masked.
    pub call: Arc<Call>,
    /// The digest of the call as it will run.
    pub digest: Digest,
    /// The hash of the whole presentation that reviewers see.
    pub shown: Digest,
    /// The requirements; all must be met.
    pub tracks: NonEmpty<Arc<Requirement>>,
    /// The rules that asked, and why.
    pub reasons: Reasons,
    /// Which version of the policy asked.
    pub policy_version: Option<Arc<str>>,
    /// The higher of the author's hint and what policy says.
    pub risk: Risk,
    /// The people in the requester's chain and their owners: they cannot review; they may confirm.
    pub principals: People,
    /// On whose behalf this happens in the end: whom limits count against.
    pub root: PrincipalId,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The absolute deadline.
    pub expires_at: Timestamp,
    /// An earlier request of the same digest that may have run already: the action is idempotent.
    pub may_have_run: Option<RequestId>,
}

impl Asked {
    /// How long an approval may wait to be run: the shortest that a track allows.
    #[must_use]
    pub fn execute_within(&self) -> Duration {
        let first = self.tracks.first().run_time();
        self.tracks
            .iter()
            .map(|track| track.run_time())
            .fold(first, Duration::min)
    }

    /// Every group that a track asks or may ask.
    pub fn groups(&self) -> Vec<&GroupId> {
        groups_of(self.tracks.iter())
    }
}

/// Every group that one of these requirements asks or may ask, each once.
pub(crate) fn groups_of<'a>(
    tracks: impl Iterator<Item = &'a Arc<Requirement>>,
) -> Vec<&'a GroupId> {
    let mut groups: Vec<&GroupId> = Vec::new();
    tracks.for_each(|track| {
        track.groups().for_each(|group| {
            if !groups.contains(&group) {
                groups.push(group);
            }
        });
    });
    groups
}

/// How far one track has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// The open stage's index; the number of stages when the track is met.
    pub open: u8,
    /// Whether it is met.
    pub met: bool,
    /// Which stages were widened, a bit each.
    pub widened: u16,
    /// When the open stage is overdue.
    pub deadline: Timestamp,
    /// When those who have not answered are reminded next, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<Timestamp>,
}

/// What is left of one yes that covers several runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Further runs that it covers.
    pub uses_left: u32,
    /// Until when.
    pub until: Timestamp,
    /// Closed for good: revoked, or a use ended in doubt.
    pub closed: bool,
}

/// One review of one call. Changed only through [`apply`](super::apply).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of its form, at most [`SCHEMA`] of whoever wrote it.
    pub schema: u16,
    /// Grows by one with every change.
    pub revision: u64,
    /// What was asked.
    pub asked: Arc<Asked>,
    /// Where it is in its life.
    pub state: State,
    /// How far each track has come.
    pub progress: Box<[Progress]>,
    /// Every reviewer's last word, in the order given.
    pub votes: Vec<Arc<Vote>>,
    /// Who may not vote: the union of what held whenever anybody looked.
    pub excluded: People,
    /// The fence of the latest claim.
    pub fence: u64,
    /// What this yes covers beyond its own run.
    pub grant: Option<Grant>,
    /// The request whose grant this one uses.
    pub granted_by: Option<RequestId>,
    /// The revision that the last reminder made; 0 when nobody was reminded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminded: u64,
    /// Who released it by breaking the glass, while a review after the fact is owed.
    pub review_owed: Option<PersonId>,
    /// The gate that waits for it, when nobody else could: withdrawn when the waiter is gone.
    pub waiter: Option<OwnerId>,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Record {
    /// A request that asks people, as it is first stored. `excluded` are those of the chain and
    /// whoever proposed its values.
    #[must_use]
    pub fn pending(asked: Arc<Asked>, excluded: People, waiter: Option<OwnerId>) -> Self {
        let progress = asked
            .tracks
            .iter()
            .map(|track| {
                let deadline =
                    super::seating::stage_deadline(track, 0, asked.asked_at).min(asked.expires_at);
                Progress {
                    open: 0,
                    met: false,
                    widened: 0,
                    deadline,
                    remind_at: track.reminders().first_at(asked.asked_at, deadline),
                }
            })
            .collect();
        Self {
            schema: form(&asked),
            revision: 1,
            changed_at: asked.asked_at,
            state: State::Pending,
            progress,
            votes: Vec::new(),
            excluded,
            fence: 0,
            grant: None,
            granted_by: None,
            reminded: 0,
            review_owed: None,
            waiter,
            asked,
        }
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.asked.id
    }

    /// When something is due if nobody does anything: a deadline or a reminder; `None` when nothing
    /// is.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let open = match &self.state {
            State::Pending => self.progress.iter().filter(|progress| !progress.met),
            State::Approved { .. }
            | State::Claimed { .. }
            | State::Executing { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::InDoubt { .. }
            | State::Denied { .. }
            | State::Withdrawn { .. }
            | State::Expired { .. }
            | State::Revoked { .. }
            | State::Lapsed { .. } => return self.late_from(),
        };
        let reminders = open.filter_map(|progress| progress.remind_at);
        self.late_from().into_iter().chain(reminders).min()
    }

    /// From when on it is too late for whatever the record waits for: a vote, a claim, a start or
    /// an outcome; `None` when it waits for nothing. A reminder makes nothing late.
    #[must_use]
    pub fn late_from(&self) -> Option<Timestamp> {
        match &self.state {
            State::Pending => {
                let open = self.progress.iter().filter(|progress| !progress.met);
                let stages = open.map(|progress| progress.deadline);
                Some(stages.fold(self.asked.expires_at, Timestamp::min))
            }
            State::Approved { execute_by, .. } => Some(*execute_by),
            State::Claimed {
                claim, execute_by, ..
            } => Some(claim.lease_until.min(*execute_by)),
            State::Executing { claim } => Some(claim.lease_until),
            State::Succeeded { .. }
            | State::Failed { .. }
            | State::InDoubt { .. }
            | State::Denied { .. }
            | State::Withdrawn { .. }
            | State::Expired { .. }
            | State::Revoked { .. }
            | State::Lapsed { .. } => None,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
