//! What the trail says became of each request, and whether that may be: written a second time, on
//! its own, so that it does not share the engine's mistakes.

mod history;
mod judging;

use std::collections::{HashMap, HashSet};
use std::fmt;

use approvals_core::{Digest, Event, EventId, Phase, RequestId, What};

pub use history::History;

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// The trail's numbers are not dense, or one is that of another event than before.
    Gap,
    /// An event that cannot follow what came before it.
    Order,
    /// A vote or an operator's word that was acknowledged is not in the trail.
    LostDecision,
    /// People agreed after their time, or it was over before.
    Late,
    /// Something was claimed or started while everything was frozen.
    RanFrozen,
    /// Something was started that an equal call may have done already.
    RanInDoubt,
    /// A yes covered more than it was for, or something after it was taken back.
    BeyondGrant,
    /// A body ran twice for one request, or for one logical call.
    RanTwice,
    /// A request was started without the yes of as many people as it needs.
    StartedWithoutYes,
    /// An effect has no event that licensed it.
    EffectWithoutStart,
    /// A body ran before the required sink had its claim.
    RanBeforeSink,
    /// An abandoned execution is not in doubt.
    NotInDoubt,
    /// A caller was told what did not happen.
    WrongAnswer,
    /// A record is not where its trail says.
    RecordDisagrees,
    /// Something that was raced for never won, so that the races say little about it.
    NeverWon,
}

/// Something that must not be, in words.
#[derive(Debug, Clone)]
pub struct Violation {
    /// What.
    pub broken: Broken,
    /// Where, and what was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.broken, self.found)
    }
}

/// Everything that the trail says.
#[derive(Debug, Default)]
pub struct Trail {
    /// The number of the last event.
    pub last: u64,
    /// By request.
    pub requests: HashMap<RequestId, History>,
    /// How many votes were counted.
    pub votes: u64,
    /// How often everything was frozen.
    pub freezes: u64,
    frozen: bool,
    /// The requests of each digest.
    equal: HashMap<Digest, Vec<RequestId>>,
    /// Of every event, in the order of their numbers.
    ids: Vec<EventId>,
    /// The requests and the calls whose body has left its line.
    ran: HashSet<RequestId>,
    calls: HashSet<String>,
}

impl Trail {
    /// Reads the next event.
    pub fn read(&mut self, event: &Event, violations: &mut Vec<Violation>) {
        let mut broken = |broken, found: &str| {
            let found = format!("event {} {:?}: {found}", event.number, event.request);
            violations.push(Violation { broken, found });
        };
        // A crash may undo that events were acknowledged: they are offered again, as they were.
        let place = event.number.checked_sub(1);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(known) = place.and_then(|place| self.ids.get(place)) {
            if *known != event.id {
                broken(Broken::Gap, &format!("was {known} before"));
            }
            return;
        }
        if event.number != self.last + 1 {
            broken(Broken::Gap, &format!("follows {}", self.last));
        }
        self.last = event.number;
        self.ids.push(event.id);
        match &event.what {
            What::Frozen { .. } => {
                self.freezes += 1;
                self.frozen = true;
            }
            What::Thawed { .. } => self.frozen = false,
            What::Claimed { .. } | What::Started { .. } if self.frozen => {
                broken(Broken::RanFrozen, "while everything was frozen");
            }
            _ => {}
        }
        let Some(id) = event.request else {
            return;
        };
        let asked = match &event.what {
            What::Requested { asked } => Some((asked, None)),
            What::RequestedUnderGrant { asked, granted_by } => Some((asked, Some(*granted_by))),
            _ => None,
        };
        if let Some((asked, granted_by)) = asked {
            if let Some(grantor) = granted_by
                && let Some(why) = self.is_beyond(grantor, id, asked.digest)
            {
                broken(Broken::BeyondGrant, why);
            }
            self.equal.entry(asked.digest).or_default().push(id);
            let history = History::of(asked, granted_by);
            if self.requests.insert(id, history).is_some() {
                broken(Broken::Order, "was requested before");
            }
            return;
        }
        if matches!(event.what, What::Started { .. }) {
            if self.in_doubt_beside(id) {
                broken(Broken::RanInDoubt, "started, and an equal call is in doubt");
            }
            if self.lost_grant(id) {
                broken(Broken::BeyondGrant, "started when its grant was closed");
            }
        }
        let Some(history) = self.requests.get_mut(&id) else {
            broken(Broken::Order, "was never requested");
            return;
        };
        let from = history.phase();
        match &event.what {
            What::Voted { vote, .. } => {
                self.votes += 1;
                history.says(&vote.person, vote.choice, event.revision);
            }
            What::Denied { by, .. } => {
                history.deciders.insert(by.to_string());
            }
            What::GlassBroken { by } => {
                history.opener = Some(by.clone());
                if !history.has_yes() {
                    broken(Broken::StartedWithoutYes, "was opened by nobody who may");
                }
            }
            What::ReviewedAfterwards { by, .. } => {
                if !history.owes_review() || history.opener.as_ref() == Some(by) {
                    broken(
                        Broken::Order,
                        "was reviewed by whoever opened it, or for nothing",
                    );
                }
                history.reviewed = true;
            }
            What::GrantUsed { by, .. } => {
                history.covered.push(*by);
                let covered = u64::try_from(history.covered.len()).unwrap_or(u64::MAX);
                let given = history.was(Phase::Approved) && history.has_yes();
                if history.closed || !given || covered > history.covers {
                    broken(Broken::BeyondGrant, "covers more than it was for");
                }
            }
            What::Revoked { by, .. } => {
                history.deciders.insert(by.to_string());
                let was_open = history.covers > 0 && !history.closed;
                history.closed = true;
                if was_open && !matches!(from, Phase::Approved | Phase::Claimed) {
                    // Only what it covers is taken back: itself it has run.
                    return;
                }
            }
            What::GrantClosed { .. } | What::InDoubt { .. } => history.closed = true,
            _ => {}
        }
        let Some((to, may_follow)) = step(&event.what, from) else {
            return;
        };
        if !may_follow {
            broken(Broken::Order, &format!("{to} after {from}"));
        }
        let late = history.decide_by.map(|by| event.at >= by);
        match &event.what {
            What::Approved if !history.has_yes() => {
                broken(Broken::StartedWithoutYes, "approved without enough votes");
            }
            What::Approved if late == Some(true) => broken(Broken::Late, "approved after its time"),
            What::Expired if late == Some(false) => broken(Broken::Late, "expired before its time"),
            What::Claimed { fence, .. } => {
                if *fence <= history.claimed {
                    broken(Broken::Order, &format!("fence {fence} is not new"));
                }
                history.claimed = *fence;
            }
            What::Started { fence, owner } => {
                if !history.was(Phase::Approved) || !history.has_yes() {
                    broken(Broken::StartedWithoutYes, "started without enough votes");
                }
                if history.started.is_some() {
                    broken(Broken::RanTwice, "was started before");
                }
                if *fence != history.claimed {
                    broken(Broken::Order, &format!("started under fence {fence}"));
                }
                history.started = Some((*fence, *owner));
            }
            What::Finished { succeeded, .. } | What::Resolved { succeeded, .. } => {
                history.outcome = Some(*succeeded);
            }
            _ => {}
        }
        history.phases.push(to);
    }

    /// Why a request's yes does not cover another one.
    fn is_beyond(&self, grantor: RequestId, id: RequestId, digest: Digest) -> Option<&'static str> {
        let Some(grantor) = self.requests.get(&grantor) else {
            return Some("is covered by nothing");
        };
        if !grantor.covered.contains(&id) {
            return Some("no use was taken for it");
        }
        (grantor.digest != digest).then_some("is not what was agreed to")
    }

    /// Whether an equal call may have run already.
    fn in_doubt_beside(&self, id: RequestId) -> bool {
        let digest = self.requests.get(&id).map(|history| history.digest);
        let equal = digest.and_then(|digest| self.equal.get(&digest));
        equal.into_iter().flatten().any(|other| {
            let history = self.requests.get(other);
            *other != id && history.is_some_and(|other| other.phase() == Phase::InDoubt)
        })
    }

    /// Whether an equal call was started.
    fn ran_beside(&self, id: RequestId) -> bool {
        let digest = self.requests.get(&id).map(|history| history.digest);
        let equal = digest.and_then(|digest| self.equal.get(&digest));
        equal.into_iter().flatten().any(|other| {
            let history = self.requests.get(other);
            *other != id && history.is_some_and(|other| other.was(Phase::Executing))
        })
    }

    /// Whether the grant that covers it, if one does, covers nothing more.
    fn lost_grant(&self, id: RequestId) -> bool {
        let grantor = self
            .requests
            .get(&id)
            .and_then(|history| history.granted_by);
        let grantor = grantor.and_then(|grantor| self.requests.get(&grantor));
        grantor.is_some_and(|grantor| grantor.closed)
    }
}

/// Where an event leads, and whether it may come where the request is. `None` when it leaves the
/// request where it is.
fn step(what: &What, from: Phase) -> Option<(Phase, bool)> {
    let after = |to, may: &[Phase]| Some((to, may.contains(&from)));
    match what {
        What::Approved => after(Phase::Approved, &[Phase::Pending]),
        What::Denied { .. } | What::DeniedWith { .. } => after(Phase::Denied, &[Phase::Pending]),
        What::Withdrawn { .. } => after(Phase::Withdrawn, &[Phase::Pending]),
        What::Expired => after(Phase::Expired, &[Phase::Pending]),
        What::Lapsed => after(Phase::Lapsed, &[Phase::Approved, Phase::Claimed]),
        What::Revoked { .. } => after(Phase::Revoked, &[Phase::Approved, Phase::Claimed]),
        What::Claimed { .. } => after(Phase::Claimed, &[Phase::Approved]),
        What::ClaimReleased { .. } | What::LeaseLost { .. } => {
            after(Phase::Approved, &[Phase::Claimed])
        }
        What::Started { .. } => after(Phase::Executing, &[Phase::Claimed]),
        What::Finished { succeeded, .. } => after(ended(*succeeded), &[Phase::Executing]),
        What::InDoubt { .. } => after(Phase::InDoubt, &[Phase::Executing]),
        What::Resolved { succeeded, .. } => after(ended(*succeeded), &[Phase::InDoubt]),
        What::Allowed { .. }
        | What::Refused { .. }
        | What::Requested { .. }
        | What::RequestedUnderGrant { .. }
        | What::GrantUsed { .. }
        | What::Voted { .. }
        | What::VoteRefused { .. }
        | What::StageOpened { .. }
        | What::Widened { .. }
        | What::Reminded { .. }
        | What::GlassBroken { .. }
        | What::ReviewedAfterwards { .. }
        | What::FinishedLate { .. }
        | What::GrantClosed { .. }
        | What::Frozen { .. }
        | What::Thawed { .. } => None,
    }
}

const fn ended(succeeded: bool) -> Phase {
    if succeeded {
        Phase::Succeeded
    } else {
        Phase::Failed
    }
}

#[cfg(test)]
mod tests;
