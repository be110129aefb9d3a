//! What the trail says became of each request, and whether that may be: written a second time, on
//! its own, so that it does not share the engine's mistakes.

use std::collections::{HashMap, HashSet};
use std::fmt;

use approvals_core::{Choice, Event, EventId, OwnerId, PersonId, Phase, RequestId, What};

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// The trail's numbers are not dense, or one is that of another event than before.
    Gap,
    /// An event that cannot follow what came before it.
    Order,
    /// A vote that was acknowledged is not in the trail.
    LostDecision,
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

/// What became of one request.
#[derive(Debug, Clone)]
pub struct History {
    /// How many people have to agree.
    needs: u64,
    /// The logical call, as its arguments name it.
    pub call: String,
    /// Every phase that it was in, in order.
    pub phases: Vec<Phase>,
    /// Everybody's last word.
    says: HashMap<PersonId, Choice>,
    /// Every vote that was counted: person, choice, revision.
    votes: HashSet<(String, Choice, u64)>,
    /// The claim that was started.
    pub started: Option<(u64, OwnerId)>,
    /// Whether the body reported its end, or a person found out.
    pub outcome: Option<bool>,
    claimed: u64,
}

impl History {
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

    /// Whether enough people have said yes and nobody no.
    fn has_yes(&self) -> bool {
        let said = |choice| self.says.values().filter(|said| **said == choice).count();
        let yes = u64::try_from(said(Choice::Approve)).unwrap_or(0);
        yes >= self.needs && said(Choice::Deny) == 0
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
        let Some(id) = event.request else {
            return;
        };
        if let What::Requested { asked } = &event.what {
            let number = |name| asked.call.argument(name).and_then(|a| a.as_u64());
            let text = |name| asked.call.argument(name).and_then(|a| a.as_str());
            let history = History {
                needs: number("people").unwrap_or(1),
                call: text("call").or_else(|| text("race")).unwrap_or_default(),
                phases: vec![Phase::Pending],
                says: HashMap::new(),
                votes: HashSet::new(),
                started: None,
                outcome: None,
                claimed: 0,
            };
            if self.requests.insert(id, history).is_some() {
                broken(Broken::Order, "was requested before");
            }
            return;
        }
        let Some(history) = self.requests.get_mut(&id) else {
            broken(Broken::Order, "was never requested");
            return;
        };
        let from = history.phase();
        if let What::Voted { vote, .. } = &event.what {
            self.votes += 1;
            let word = (vote.person.to_string(), vote.choice, event.revision);
            history.votes.insert(word);
            history.says.insert(vote.person.clone(), vote.choice);
        }
        let Some((to, may_follow)) = step(&event.what, from) else {
            return;
        };
        if !may_follow {
            broken(Broken::Order, &format!("{to} after {from}"));
        }
        match &event.what {
            What::Approved if !history.has_yes() => {
                broken(Broken::StartedWithoutYes, "approved without enough votes");
            }
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

    /// Compares further lines that bodies left: `call request fence`.
    pub fn judge_effects(&mut self, lines: &[String], violations: &mut Vec<Violation>) {
        for line in lines {
            let mut broken = |broken, found: &str| {
                let found = format!("the effect `{line}` {found}");
                violations.push(Violation { broken, found });
            };
            let mut words = line.split(' ');
            let (call, id, fence) = (words.next(), words.next(), words.next());
            let id = id.and_then(|id| id.parse::<RequestId>().ok());
            let fence = fence.and_then(|fence| fence.parse::<u64>().ok());
            let (Some(call), Some(id), Some(fence)) = (call, id, fence) else {
                broken(Broken::EffectWithoutStart, "cannot be read");
                continue;
            };
            if !self.ran.insert(id) {
                broken(Broken::RanTwice, "is not the first of its request");
            }
            if !self.calls.insert(call.to_owned()) {
                broken(Broken::RanTwice, "is not the first of its call");
            }
            match self.requests.get(&id) {
                None => broken(Broken::EffectWithoutStart, "is of no request"),
                Some(history) => match history.started {
                    Some((started, _)) if started == fence && history.call == call => {}
                    Some((started, _)) => {
                        let other = format!("was started as {} under {started}", history.call);
                        broken(Broken::EffectWithoutStart, &other);
                    }
                    None => broken(Broken::EffectWithoutStart, "was not started"),
                },
            }
        }
    }

    /// Bodies that ran before the required sink had their claim: there may be none.
    pub fn judge_unlicensed(&self, lines: &[String], violations: &mut Vec<Violation>) {
        violations.extend(lines.iter().map(|line| Violation {
            broken: Broken::RanBeforeSink,
            found: format!("the required sink did not have the claim of the effect `{line}`"),
        }));
    }

    /// Compares the votes that were acknowledged: `request person choice revision`.
    pub fn judge_decisions(&self, lines: &[String], violations: &mut Vec<Violation>) {
        for line in lines {
            if self.has_vote(line).is_none() {
                violations.push(Violation {
                    broken: Broken::LostDecision,
                    found: format!("`{line}` was acknowledged and is not in the trail"),
                });
            }
        }
    }

    fn has_vote(&self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let request = words.next()?.parse().ok()?;
        let person = words.next()?.to_owned();
        let choice = match words.next()? {
            "approve" => Choice::Approve,
            "deny" => Choice::Deny,
            _ => return None,
        };
        let revision = words.next()?.parse().ok()?;
        let history = self.requests.get(&request)?;
        let word = (person, choice, revision);
        history.votes.contains(&word).then_some(())
    }

    /// Compares what callers were told: `call answer request …`. Every line that a body left
    /// before that is known.
    pub fn judge_answers(&self, lines: &[String], violations: &mut Vec<Violation>) {
        let ran = &self.calls;
        for line in lines {
            let mut words = line.split(' ');
            let call = words.next().unwrap_or_default();
            let answer = words.next().unwrap_or_default();
            let request = words.next().and_then(|id| id.parse::<RequestId>().ok());
            let history = request.and_then(|request| self.requests.get(&request));
            let was = |phase| history.is_some_and(|history| history.was(phase));
            let holds = match answer {
                "ran" => ran.contains(call),
                "succeeded" => was(Phase::Succeeded),
                "failed" => was(Phase::Failed),
                "denied" => was(Phase::Denied) && !ran.contains(call),
                // The denial of an equal call stands.
                "not_asked" => was(Phase::Denied),
                // Told as soon as the lease is over; the event follows.
                "in_doubt" => was(Phase::Executing),
                "lapsed" => was(Phase::Lapsed) && !ran.contains(call),
                "timed_out" => was(Phase::Expired) && !ran.contains(call),
                // Taken back by whoever opened it, where the required sink could not be told.
                "withdrawn" => was(Phase::Withdrawn) && !ran.contains(call),
                _ => false,
            };
            if !holds {
                violations.push(Violation {
                    broken: Broken::WrongAnswer,
                    found: format!("a caller was told `{line}`"),
                });
            }
        }
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
