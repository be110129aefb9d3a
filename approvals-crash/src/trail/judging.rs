//! What processes left behind, beside the trail.

use approvals_core::{Choice, Phase, RequestId};

use super::{Broken, Trail, Violation};

impl Trail {
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
                    Some((started, _))
                        if started == fence
                            && history.call.as_ref().is_none_or(|of| of == call) => {}
                    Some((started, _)) => {
                        let other = format!("was started as {:?} under {started}", history.call);
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
            "break-glass" => Choice::BreakGlass,
            _ => return None,
        };
        let revision = words.next()?.parse().ok()?;
        let history = self.requests.get(&request)?;
        let word = (person, choice, revision);
        history.votes.contains(&word).then_some(())
    }

    /// Compares what an operator was told is done: `what request`.
    pub fn judge_operations(&self, lines: &[String], violations: &mut Vec<Violation>) {
        for line in lines {
            let (what, request) = line.split_once(' ').unwrap_or_default();
            let request = request.parse::<RequestId>().ok();
            let history = request.and_then(|request| self.requests.get(&request));
            let holds = match what {
                "freeze" => self.freezes > 0,
                "withdraw" => history.is_some_and(|history| history.was(Phase::Withdrawn)),
                // Of what has run, only what it covers is taken back.
                "revoke" => history.is_some_and(|h| h.was(Phase::Revoked) || h.closed),
                "review" => history.is_some_and(|history| history.reviewed),
                _ => false,
            };
            if !holds {
                violations.push(Violation {
                    broken: Broken::LostDecision,
                    found: format!("`{line}` was acknowledged and is not in the trail"),
                });
            }
        }
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
                // Told as soon as the lease is over; the event follows. Or an equal call is.
                "in_doubt" => {
                    was(Phase::Executing) || request.is_some_and(|id| self.ran_beside(id))
                }
                "revoked" => {
                    let lost = request.is_some_and(|request| self.lost_grant(request));
                    (was(Phase::Revoked) || lost) && !ran.contains(call)
                }
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
