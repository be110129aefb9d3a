//! Whether what the trail says of each request can have happened: the rules of a request's life,
//! written down a second time.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use approvals_core::{RequestId, Timestamp};

use super::grants::{self, Granted, Grants};
use super::parts::Part;
use super::seen::{Seen, Vote};

/// Where a request is that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    /// Born under a grant, which is its yes.
    Granted,
    Approved,
    Claimed,
    Executing,
    InDoubt,
}

/// A yes that stands: whose, and whether it broke the glass.
#[derive(Debug, Clone, Copy)]
struct Yes {
    /// A hash of the person; none where the entry is abridged and does not say.
    person: Option<u64>,
    broke_glass: bool,
}

/// A request that is not over.
#[derive(Debug, Clone)]
struct Life {
    stage: Stage,
    /// Whether somebody has said no to it.
    no: bool,
    /// Who has said yes to it, and has not taken that back.
    yes: Vec<Yes>,
    /// Of its last claim.
    fence: u64,
    /// What a yes to it grants.
    grants: Granted,
}

/// The requests of a trail, or of a part of it, that are not over, and the grants that are open.
/// What is over is forgotten, so that memory does not grow with the trail.
#[derive(Debug, Clone)]
pub(super) struct Lives {
    open: HashMap<RequestId, Life>,
    grants: Grants,
    /// How many votes they have.
    votes: usize,
    /// The time of the first event, where the trail may begin in the middle of a request's life.
    begins_later: Option<Timestamp>,
    /// Whether everything is frozen.
    ///
    /// A freeze and whatever leads to a run are judged against each other inside their commits, and
    /// the store numbers events in the order of those: the order of the entries is proof.
    frozen: bool,
    /// How much is followed at most.
    most: usize,
    part: Part,
    /// The parts that were given up, since more was open than is followed at most.
    left_out: Vec<Part>,
    hasher: RandomState,
}

impl Lives {
    /// Of a trail whose first event has this number and this time.
    pub(super) fn of_trail(first: (u64, Timestamp), most: usize, part: Part) -> Self {
        let (number, at) = first;
        Self {
            open: HashMap::new(),
            grants: Grants::default(),
            votes: 0,
            begins_later: (number > 1).then_some(at),
            frozen: false,
            most,
            part,
            left_out: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The parts that have to be followed in another reading.
    pub(super) fn left_out(self) -> Vec<Part> {
        self.left_out
    }

    /// Judges an event, which this entry tells.
    pub(super) fn judge(&mut self, seen: &Seen<'_>, entry: &[u8]) -> Result<(), &'static str> {
        match seen.what {
            "repeated" => return Ok(()),
            "frozen" => self.frozen = true,
            "thawed" => self.frozen = false,
            "claimed" | "started" if self.frozen => {
                return Err("it was claimed or started while everything was frozen");
            }
            _ => {}
        }
        let Some(request) = seen.request else {
            return Ok(());
        };
        self.follow_grant(request, seen, entry)?;
        if self.part.has(&request) {
            self.follow_life(request, seen, entry)?;
        }
        self.keep_within(seen.at)
    }

    /// What the event means for the grant that its request runs under, or has.
    fn follow_grant(
        &mut self,
        request: RequestId,
        seen: &Seen<'_>,
        entry: &[u8],
    ) -> Result<(), &'static str> {
        match seen.what {
            "grant_used" if self.part.has(&request) => {
                let by = seen.by.as_deref().and_then(|by| by.parse().ok());
                let (Some(by), Some(left)) = (by, seen.uses_left) else {
                    return Err("it does not say for whom a use of the grant was taken");
                };
                match self.grants.take(request, by, left, seen.at) {
                    // Its yes may be from before the trail begins.
                    Err(_) if self.is_from_before(request) => Ok(()),
                    taken => taken,
                }
            }
            "requested_under_grant" => {
                let (of, scope) = match (seen.granted_by, &seen.payload) {
                    (None, None) => return Err("it does not say which grant it is under"),
                    (None, Some(_)) => (None, None),
                    (of, _) => (of, Some(grants::scope(entry)?)),
                };
                let follows = match of {
                    Some(of) => self.part.has(&of) && !self.is_from_before(of),
                    // Another part may know more.
                    None => {
                        self.grants.has_use(request)
                            || (self.part.is_all() && self.begins_later.is_none())
                    }
                };
                if follows {
                    self.grants.begin(request, of, scope.as_ref())?;
                }
                Ok(())
            }
            "grant_closed" | "in_doubt" | "revoked" => {
                self.grants.close(request);
                self.grants.run(request, seen.what, seen.at)
            }
            what => self.grants.run(request, what, seen.at),
        }
    }

    /// Whether a request's yes may be from before the trail begins.
    fn is_from_before(&self, request: RequestId) -> bool {
        self.may_be_from_before(request)
            && !self.grants.is_open(request)
            && !self.open.contains_key(&request)
    }

    /// Whether a request may have been asked before the trail begins. Its id says from when it is, by
    /// the store's time, which never decreases.
    fn may_be_from_before(&self, request: RequestId) -> bool {
        let [a, b, c, d, e, f, ..] = request.to_bytes();
        let asked = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let began = self.begins_later.map(Timestamp::as_millis);
        began.is_some_and(|began| asked <= began)
    }

    fn follow_life(
        &mut self,
        request: RequestId,
        seen: &Seen<'_>,
        entry: &[u8],
    ) -> Result<(), &'static str> {
        match seen.what {
            "requested" => {
                let grants = match (&seen.asked, &seen.payload) {
                    (Some(asked), _) if asked.offers_reuse() => grants::terms(entry)?,
                    (Some(_), _) => Granted::Nothing,
                    (None, Some(_)) => Granted::Untold,
                    (None, None) => return Err("it does not say what was asked"),
                };
                return self.begin(request, Stage::Pending, grants);
            }
            "requested_under_grant" => {
                return self.begin(request, Stage::Granted, Granted::Nothing);
            }
            // These leave a request where it is, also when it is over.
            "refused"
            | "vote_refused"
            | "finished_late"
            | "reviewed_afterwards"
            | "grant_used"
            | "grant_closed" => return Ok(()),
            _ => {}
        }
        let from_before = self.may_be_from_before(request);
        let Some(life) = self.open.get_mut(&request) else {
            // What is left of a grant is revoked also when its request is over.
            let unknown = from_before || seen.what == "revoked";
            return if unknown {
                Ok(())
            } else {
                Err("it is about a request that was never asked, or is over")
            };
        };
        let votes = life.yes.len();
        if let ("voted", Some(vote)) = (seen.what, &seen.vote) {
            let person = vote.person();
            life.vote(vote, person.map(|person| self.hasher.hash_one(person)))?;
        }
        let is_over = life.step(seen)?;
        self.votes = (self.votes + life.yes.len()).saturating_sub(votes);
        if seen.what == "approved" && !life.broke_glass() {
            self.grants.give(request, &life.grants, seen.at);
            life.grants = Granted::Nothing;
        }
        if is_over && let Some(life) = self.open.remove(&request) {
            self.votes -= life.yes.len();
        }
        Ok(())
    }

    fn begin(
        &mut self,
        request: RequestId,
        stage: Stage,
        grants: Granted,
    ) -> Result<(), &'static str> {
        let life = Life {
            stage,
            no: false,
            yes: Vec::new(),
            fence: 0,
            grants,
        };
        match self.open.insert(request, life) {
            None => Ok(()),
            Some(_) => Err("its request was asked before"),
        }
    }

    /// Gives up one half of what is followed, as often as it takes. It is followed when the log is
    /// read once more.
    fn keep_within(&mut self, now: Timestamp) -> Result<(), &'static str> {
        if self.followed() <= self.most {
            return Ok(());
        }
        self.grants.forget_past(now);
        // With room, or the same is done for the next event again.
        while self.followed() > self.most - self.most / 8 {
            let halves = self.part.halves();
            let (half, other) = halves.ok_or(
                "more requests are open at one time than this verifier was told to follow: have it follow more",
            )?;
            self.left_out.push(other);
            self.open.retain(|id, _| half.has(id));
            self.open.shrink_to_fit();
            self.grants.retain(|id| half.has(id));
            self.votes = self.open.values().map(|life| life.yes.len()).sum();
            self.part = half;
        }
        Ok(())
    }

    /// How much is followed, by the memory that it takes.
    fn followed(&self) -> usize {
        self.open.len() + self.grants.len() + self.votes / 2
    }
}

impl Life {
    fn broke_glass(&self) -> bool {
        self.yes.iter().any(|yes| yes.broke_glass)
    }

    /// The last word of a person takes the place of the one before.
    fn vote(&mut self, vote: &Vote<'_>, person: Option<u64>) -> Result<(), &'static str> {
        self.needs(&[Stage::Pending], "a vote was counted after the decision")?;
        let stood = self.yes.len();
        self.yes
            .retain(|yes| yes.person.is_none() || yes.person != person);
        match vote.choice {
            "approve" | "confirm" | "break_glass" => self.yes.push(Yes {
                person,
                broke_glass: vote.choice == "break_glass",
            }),
            "deny" => self.no = true,
            // Where an entry does not say whose it is, it may have been this one.
            "withdrawn" => {
                let untold = person.is_none() || self.yes.iter().any(|yes| yes.person.is_none());
                if self.yes.len() == stood && !untold {
                    return Err("a vote was taken back that did not stand");
                }
            }
            _ => return Err("it is a vote that this version does not know"),
        }
        Ok(())
    }

    fn needs(&self, stages: &[Stage], why: &'static str) -> Result<(), &'static str> {
        if stages.contains(&self.stage) {
            Ok(())
        } else {
            Err(why)
        }
    }

    fn own_fence(&self, fence: Option<u64>) -> Result<(), &'static str> {
        if fence == Some(self.fence) {
            Ok(())
        } else {
            Err("it has another claim's fence")
        }
    }

    /// Takes a life one event further. Whether it is over then.
    fn step(&mut self, seen: &Seen<'_>) -> Result<bool, &'static str> {
        use Stage::{Approved, Claimed, Executing, Granted, InDoubt, Pending};
        match seen.what {
            "voted" => {
                // Judged with its vote.
                let why = "it does not say what the vote was";
                seen.vote.as_ref().map(|_| false).ok_or(why)
            }
            "stage_opened" | "widened" | "reminded" => {
                let why = "people were asked after the decision";
                self.needs(&[Pending], why).map(|()| false)
            }
            "glass_broken" => {
                self.needs(&[Pending], "the glass was broken after the decision")?;
                if !self.broke_glass() {
                    return Err("the glass was broken, and nobody had voted to");
                }
                Ok(false)
            }
            "approved" => {
                let why = "it was approved after another decision";
                self.needs(&[Pending, Granted], why)?;
                if self.no {
                    return Err("it was approved, and somebody had said no");
                }
                if self.stage == Pending && self.yes.is_empty() {
                    return Err(
                        "it was approved, and nobody had said yes, or whoever had took it back",
                    );
                }
                self.stage = Approved;
                Ok(false)
            }
            "denied" => {
                self.needs(&[Pending], "it was ended after another decision")?;
                if !self.no {
                    return Err("it was denied, and nobody had said no");
                }
                Ok(true)
            }
            "denied_with" | "withdrawn" | "expired" => {
                self.needs(&[Pending], "it was ended after another decision")?;
                Ok(true)
            }
            "claimed" => {
                let why = "it was claimed, and was not approved then";
                self.needs(&[Approved], why)?;
                let fence = seen.fence.ok_or("it was claimed without a fence")?;
                if fence <= self.fence {
                    return Err("it was claimed with a fence that had been used");
                }
                (self.stage, self.fence) = (Claimed, fence);
                Ok(false)
            }
            "claim_released" | "lease_lost" => {
                self.needs(&[Claimed], "a claim was given back that nobody held")?;
                self.own_fence(seen.fence)?;
                self.stage = Approved;
                Ok(false)
            }
            "lapsed" => {
                let why = "it lapsed, and was not approved then";
                self.needs(&[Approved, Claimed], why)?;
                Ok(true)
            }
            "revoked" => {
                let why = "it was revoked, and was not approved then";
                self.needs(&[Approved, Claimed, Executing, InDoubt], why)?;
                // After the start, what is left of its grant.
                Ok(matches!(self.stage, Approved | Claimed))
            }
            "started" => {
                self.needs(&[Claimed], "it was started without a claim")?;
                self.own_fence(seen.fence)?;
                self.stage = Executing;
                Ok(false)
            }
            "finished" => {
                let why = "it finished without having been started";
                self.needs(&[Executing], why)?;
                self.own_fence(seen.fence)?;
                Ok(true)
            }
            "in_doubt" => {
                let why = "it is in doubt without having been started";
                self.needs(&[Executing], why)?;
                self.stage = InDoubt;
                Ok(false)
            }
            "resolved" => {
                self.needs(&[InDoubt], "a doubt was resolved that nobody had")?;
                Ok(seen.succeeded.is_some())
            }
            _ => Err("it says something that this version does not know"),
        }
    }
}
