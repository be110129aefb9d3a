//! From a yes to the body: claim, start, renew.

use std::sync::Arc;

use super::needs;
use crate::audit::What;
use crate::id::OwnerId;
use crate::policy::Verdict;
use crate::review::command::ClaimNow;
use crate::review::record::Record;
use crate::review::refused::Refused;
use crate::review::seating::{self, Counts};
use crate::review::state::{Claim, Phase, State};
use crate::review::vote::{Choice, Vote};
use crate::time::Timestamp;

pub(super) fn claim(
    record: &mut Record,
    claim: &ClaimNow,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    needs(record, Phase::Approved)?;
    let State::Approved { at, execute_by } = record.state else {
        return Err(Refused::Settled(record.state.phase()));
    };
    if execute_by <= now {
        return Err(Refused::Late(execute_by));
    }
    if claim.frozen {
        return Err(Refused::Frozen);
    }
    record.excluded.unite(&claim.excluded);
    // Invariant 10: every voter is judged as the directory knows them now; an unknown one is struck.
    let excluded = record.excluded.clone();
    let counts = |vote: &Vote| {
        let voter = claim.voters.iter().find(|v| v.person == vote.person)?;
        let counts = match vote.choice {
            // Whoever confirmed must be of the chain still.
            Choice::Confirm => claim.excluded.contains(&vote.person),
            Choice::Approve | Choice::Deny | Choice::BreakGlass | Choice::Withdrawn => {
                !excluded.contains(&vote.person)
            }
        };
        counts.then(|| voter.groups.clone())
    };
    let asked = Arc::clone(&record.asked);
    let met = asked.tracks.iter().zip(&record.progress).enumerate().all(
        |(track, (requirement, progress))| {
            seating::track_met(&asked, track, requirement, progress, &record.votes, &counts)
        },
    );
    if !met {
        let struck = struck(record, &counts);
        return Err(Refused::NoLongerMet { struck });
    }
    match &claim.verdict {
        Verdict::Allow(_) => {}
        Verdict::Deny(reasons) => return Err(Refused::PolicyDenies(reasons.clone())),
        Verdict::Review(tracks, _) => {
            let enough = tracks.iter().all(|requirement| {
                asked.tracks.iter().any(|then| then == requirement)
                    || seating::would_meet(&asked, requirement, &record.votes, &counts)
            });
            if !enough {
                return Err(Refused::PolicyAsksMore);
            }
        }
    }
    record.fence = record.fence.saturating_add(1);
    let held = Claim {
        fence: record.fence,
        owner: claim.owner,
        lease_until: now.plus(claim.lease),
    };
    record.state = State::Claimed {
        claim: held,
        execute_by,
        approved_at: at,
    };
    Ok(vec![What::Claimed {
        fence: held.fence,
        owner: held.owner,
        struck: struck(record, &counts),
        policy_version: claim.policy_version.clone(),
    }])
}

fn struck(record: &Record, counts: &Counts<'_>) -> usize {
    record
        .votes
        .iter()
        .filter(|vote| vote.choice != Choice::Withdrawn && counts(vote).is_none())
        .count()
}

pub(super) fn claimed(
    record: &Record,
    fence: u64,
) -> Result<(Claim, Timestamp, Timestamp), Refused> {
    needs(record, Phase::Claimed)?;
    if let State::Claimed {
        claim,
        execute_by,
        approved_at,
    } = &record.state
        && claim.fence == fence
    {
        return Ok((*claim, *execute_by, *approved_at));
    }
    Err(Refused::OtherClaim {
        given: fence,
        stands: record.fence,
    })
}

pub(super) fn executing(record: &Record, fence: u64) -> Result<Claim, Refused> {
    needs(record, Phase::Executing)?;
    if let State::Executing { claim } = &record.state
        && claim.fence == fence
    {
        return Ok(*claim);
    }
    Err(Refused::OtherClaim {
        given: fence,
        stands: record.fence,
    })
}

/// Invariant 7: one claim starts one execution, and only while it holds.
pub(super) fn start(
    record: &mut Record,
    fence: u64,
    owner: OwnerId,
    frozen: bool,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    let (held, execute_by, _) = claimed(record, fence)?;
    if held.owner != owner {
        return Err(Refused::OtherClaim {
            given: fence,
            stands: record.fence,
        });
    }
    if frozen {
        return Err(Refused::Frozen);
    }
    let deadline = held.lease_until.min(execute_by);
    if deadline <= now {
        return Err(Refused::Late(deadline));
    }
    record.state = State::Executing {
        claim: Claim {
            lease_until,
            ..held
        },
    };
    Ok(vec![What::Started { fence, owner }])
}

pub(super) fn renew(
    record: &mut Record,
    fence: u64,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    match &mut record.state {
        State::Claimed { claim, .. } | State::Executing { claim } if claim.fence == fence => {
            if claim.lease_until <= now {
                return Err(Refused::Late(claim.lease_until));
            }
            claim.lease_until = claim.lease_until.max(lease_until);
            Ok(Vec::new())
        }
        State::Claimed { .. } | State::Executing { .. } => Err(Refused::OtherClaim {
            given: fence,
            stands: record.fence,
        }),
        State::Pending
        | State::Approved { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::InDoubt { .. }
        | State::Denied { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => {
            needs(record, Phase::Executing)?;
            Err(Refused::Settled(record.state.phase()))
        }
    }
}
