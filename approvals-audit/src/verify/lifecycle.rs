//! Whether what the trail says of each request can have happened: the rules of a request's life,
//! written down a second time.

use std::collections::HashMap;

use approvals_core::RequestId;

use super::seen::Seen;

/// Where a request is that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Approved,
    Claimed,
    Executing,
    InDoubt,
}

/// A request that is not over.
#[derive(Debug, Clone, Copy)]
struct Life {
    stage: Stage,
    /// Whether anybody has said yes to it.
    yes: bool,
    /// Of its last claim.
    fence: u64,
}

/// The requests of a trail that are not over. Those that are over are forgotten, so that memory
/// does not grow with the trail.
#[derive(Debug, Default)]
pub(super) struct Lives {
    open: HashMap<RequestId, Life>,
    /// Whether the trail may begin in the middle of a request's life.
    begins_later: bool,
    /// How many are followed at most.
    most: usize,
}

impl Lives {
    pub(super) fn of_trail(first_number: u64, most: usize) -> Self {
        Self {
            open: HashMap::new(),
            begins_later: first_number > 1,
            most,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Judges an event about a request.
    pub(super) fn judge(&mut self, seen: &Seen<'_>) -> Result<(), &'static str> {
        let Some(request) = seen.request else {
            return Ok(());
        };
        match seen.what {
            "requested" => return self.begin(request, Stage::Pending, false),
            // Its yes is the grantor's.
            "requested_under_grant" => return self.begin(request, Stage::Approved, true),
            // These leave a request where it is, also when it is over.
            "refused"
            | "vote_refused"
            | "finished_late"
            | "reviewed_afterwards"
            | "grant_used"
            | "grant_closed"
            | "glass_broken"
            | "stage_opened"
            | "widened"
            | "reminded"
            | "repeated" => {
                return Ok(());
            }
            _ => {}
        }
        let Some(life) = self.open.get_mut(&request) else {
            // What is left of a grant is revoked also when its request is over.
            let unknown = self.begins_later || seen.what == "revoked";
            return if unknown {
                Ok(())
            } else {
                Err("it is about a request that was never asked, or is over")
            };
        };
        if step(life, seen)? {
            self.open.remove(&request);
        }
        Ok(())
    }

    fn begin(&mut self, request: RequestId, stage: Stage, yes: bool) -> Result<(), &'static str> {
        if self.open.len() >= self.most && !self.open.contains_key(&request) {
            return Err(
                "more requests are open at one time than this verifier was told to follow: have it follow more",
            );
        }
        let life = Life {
            stage,
            yes,
            fence: 0,
        };
        match self.open.insert(request, life) {
            None => Ok(()),
            Some(_) => Err("its request was asked before"),
        }
    }
}

/// Takes a life one event further. Whether it is over then.
fn step(life: &mut Life, seen: &Seen<'_>) -> Result<bool, &'static str> {
    use Stage::{Approved, Claimed, Executing, InDoubt, Pending};
    let needs = |life: &Life, stages: &[Stage], why| {
        if stages.contains(&life.stage) {
            Ok(())
        } else {
            Err(why)
        }
    };
    let own_fence = |life: &Life| {
        if seen.fence == Some(life.fence) {
            Ok(())
        } else {
            Err("it has another claim's fence")
        }
    };
    match seen.what {
        "voted" => {
            needs(life, &[Pending], "a vote was counted after the decision")?;
            let choice = seen.vote.as_ref().map(|vote| vote.choice);
            life.yes |= matches!(choice, Some("approve" | "confirm" | "break_glass"));
            Ok(false)
        }
        "approved" => {
            needs(life, &[Pending], "it was approved after another decision")?;
            if !life.yes {
                return Err("it was approved, and nobody had said yes");
            }
            life.stage = Approved;
            Ok(false)
        }
        "denied" | "denied_with" | "withdrawn" | "expired" => {
            needs(life, &[Pending], "it was ended after another decision")?;
            Ok(true)
        }
        "claimed" => {
            needs(
                life,
                &[Approved],
                "it was claimed, and was not approved then",
            )?;
            let fence = seen.fence.ok_or("it was claimed without a fence")?;
            if fence <= life.fence {
                return Err("it was claimed with a fence that had been used");
            }
            (life.stage, life.fence) = (Claimed, fence);
            Ok(false)
        }
        "claim_released" | "lease_lost" => {
            needs(life, &[Claimed], "a claim was given back that nobody held")?;
            own_fence(life)?;
            life.stage = Approved;
            Ok(false)
        }
        "lapsed" => {
            needs(
                life,
                &[Approved, Claimed],
                "it lapsed, and was not approved then",
            )?;
            Ok(true)
        }
        // After the start, what is left of its grant.
        "revoked" => Ok(matches!(life.stage, Approved | Claimed)),
        "started" => {
            needs(life, &[Claimed], "it was started without a claim")?;
            own_fence(life)?;
            life.stage = Executing;
            Ok(false)
        }
        "finished" => {
            needs(
                life,
                &[Executing],
                "it finished without having been started",
            )?;
            own_fence(life)?;
            Ok(true)
        }
        "in_doubt" => {
            needs(
                life,
                &[Executing],
                "it is in doubt without having been started",
            )?;
            life.stage = InDoubt;
            Ok(false)
        }
        "resolved" => {
            needs(life, &[InDoubt], "a doubt was resolved that nobody had")?;
            Ok(seen.succeeded.is_some())
        }
        _ => Err("it says something that this version does not know"),
    }
}
