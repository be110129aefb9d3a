//! The one place where a record changes: pure, total, no clock, no I/O.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::command::{ClaimNow, Command};
use super::record::{Grant, Record, SCHEMA};
use super::refused::Refused;
use super::seating::{self, Counts};
use super::state::{Claim, Phase, State};
use super::vote::{Ballot, Choice, Seat, Vote};
use crate::audit::What;
use crate::id::{GroupId, OwnerId, PersonId};
use crate::policy::{OnTimeout, Verdict};
use crate::time::Timestamp;

/// A record's next form, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The record as it will be: its revision is one higher.
    pub record: Record,
    /// What the trail says about it, in order. Empty only for a renewed lease.
    pub events: Vec<What>,
}

/// Judges a command on a record at a time.
///
/// # Errors
/// [`Refused`] when the command may not take effect. The record stays as it is.
pub fn apply(record: &Record, command: &Command, now: Timestamp) -> Result<Transition, Refused> {
    if record.schema > SCHEMA {
        return Err(Refused::NewerSchema(record.schema));
    }
    // Invariant 9: time that runs backwards is a clock failure.
    if now < record.changed_at {
        return Err(Refused::ClockWentBack {
            changed: record.changed_at,
            now,
        });
    }
    let mut next = record.clone();
    next.schema = SCHEMA;
    next.revision = record.revision.saturating_add(1);
    next.changed_at = now;
    let events = match command {
        Command::Vote(ballot) => vote(&mut next, ballot, now)?,
        Command::Withdraw(by) => {
            needs(&next, Phase::Pending)?;
            let why: Arc<str> = by.why().into();
            next.state = State::Withdrawn {
                at: now,
                why: Arc::clone(&why),
            };
            vec![What::Withdrawn { why }]
        }
        Command::Revoke { by, reason } => revoke(&mut next, by, reason, now)?,
        Command::Due => due(&mut next, now)?,
        Command::Claim(claim) => self::claim(&mut next, claim, now)?,
        Command::Release { fence } => {
            let (_, execute_by, approved_at) = claimed(&next, *fence)?;
            next.state = State::Approved {
                at: approved_at,
                execute_by,
            };
            vec![What::ClaimReleased { fence: *fence }]
        }
        Command::Start {
            fence,
            owner,
            frozen,
            lease,
        } => start(&mut next, *fence, *owner, *frozen, now.plus(*lease), now)?,
        Command::Renew { fence, lease } => renew(&mut next, *fence, now.plus(*lease), now)?,
        Command::Finish {
            fence,
            succeeded,
            summary,
        } => {
            executing(&next, *fence)?;
            let summary = summary.clone();
            next.state = if *succeeded {
                State::Succeeded {
                    at: now,
                    summary: summary.clone(),
                }
            } else {
                State::Failed {
                    at: now,
                    summary: summary.clone(),
                }
            };
            vec![What::Finished {
                fence: *fence,
                succeeded: *succeeded,
                summary,
            }]
        }
        Command::Abandon { fence, why } => {
            executing(&next, *fence)?;
            in_doubt(&mut next, why, now)
        }
        Command::Resolve {
            by,
            reason,
            succeeded,
        } => resolve(&mut next, by, reason, *succeeded, now)?,
        Command::ReviewAfterwards {
            by,
            excluded,
            comment,
        } => review_afterwards(&mut next, by, excluded, comment)?,
        Command::ShareDenial {
            of,
            by,
            comment,
            proposal,
        } => {
            needs(&next, Phase::Pending)?;
            next.state = State::Denied {
                at: now,
                by: by.clone(),
                comment: comment.clone(),
                proposal: proposal.clone(),
            };
            vec![What::DeniedWith { of: *of }]
        }
        Command::CloseGrant { why } => close_grant(&mut next, why)?,
    };
    Ok(Transition {
        record: next,
        events,
    })
}

fn needs(record: &Record, needed: Phase) -> Result<(), Refused> {
    let found = record.state.phase();
    if found == needed {
        Ok(())
    } else if found.is_final() {
        Err(Refused::Settled(found))
    } else {
        Err(Refused::Phase { found, needed })
    }
}

fn said(text: &str) -> Result<(), Refused> {
    if text.trim().is_empty() {
        return Err(Refused::ReasonRequired);
    }
    Ok(())
}

// ---- votes -------------------------------------------------------------------------------------

fn vote(record: &mut Record, ballot: &Ballot, now: Timestamp) -> Result<Vec<What>, Refused> {
    if record.state.phase() != Phase::Pending {
        return Err(Refused::Settled(record.state.phase()));
    }
    // Invariant 9: late is no. Whatever is due takes effect before any vote.
    if let Some(deadline) = record.due_at().filter(|deadline| *deadline <= now) {
        return Err(Refused::Late(deadline));
    }
    // Invariant 3: a vote is for exactly what its reviewer saw.
    if ballot.digest != record.asked.digest {
        return Err(Refused::OtherDigest);
    }
    if ballot.shown != record.asked.shown {
        return Err(Refused::OtherPresentation);
    }
    let stands = record
        .votes
        .iter()
        .find(|vote| vote.person == ballot.person);
    let oldest = stands.map_or(1, |vote| vote.revision);
    if ballot.revision < oldest || ballot.revision >= record.revision {
        return Err(Refused::StaleRevision {
            seen: ballot.revision,
            stands: oldest,
            person: ballot.person.clone(),
        });
    }
    record.excluded.extend(ballot.excluded.iter().cloned());
    if ballot.proposal.is_some() && ballot.choice != Choice::Deny {
        return Err(Refused::ProposalWithoutDenial);
    }
    match ballot.choice {
        Choice::Approve => approve(record, ballot, now),
        Choice::Confirm => confirm(record, ballot, now),
        Choice::BreakGlass => break_glass(record, ballot, now),
        Choice::Deny => deny(record, ballot, now),
        Choice::Withdrawn => withdraw_vote(record, ballot, now),
    }
}

/// Invariant 5: nobody who has a part in the request reviews it.
fn outsider(record: &Record, person: &PersonId) -> Result<(), Refused> {
    if record.excluded.contains(person) || record.asked.principals.contains(person) {
        return Err(Refused::OwnRequest(person.clone()));
    }
    Ok(())
}

fn comment_if(required: bool, ballot: &Ballot) -> Result<(), Refused> {
    let given = ballot
        .comment
        .as_deref()
        .is_some_and(|c| !c.trim().is_empty());
    if required && !given {
        return Err(Refused::CommentRequired);
    }
    Ok(())
}

/// Puts the reviewer's last word in place of the former one, at the end of the list.
fn cast(record: &mut Record, ballot: &Ballot, seats: Vec<Seat>, now: Timestamp) -> What {
    record.votes.retain(|vote| vote.person != ballot.person);
    let vote = Vote {
        person: ballot.person.clone(),
        identity: ballot.identity.clone(),
        groups: ballot.groups.clone(),
        choice: ballot.choice,
        comment: ballot.comment.clone(),
        at: now,
        revision: record.revision,
        seats,
    };
    record.votes.push(vote.clone());
    What::Voted {
        vote: Box::new(vote),
        shown: ballot.shown,
        seen_revision: ballot.revision,
    }
}

/// A vote counts, while the request is pending, by the groups that its reviewer was in when it was
/// cast, and not at all for whoever turned out to have a part in the request.
fn as_cast(record: &Record) -> impl Fn(&Vote) -> Option<BTreeSet<GroupId>> + use<> {
    let excluded = record.excluded.clone();
    move |vote| {
        let counts = vote.choice == Choice::Confirm || !excluded.contains(&vote.person);
        counts.then(|| vote.groups.clone())
    }
}

fn approve(record: &mut Record, ballot: &Ballot, now: Timestamp) -> Result<Vec<What>, Refused> {
    outsider(record, &ballot.person)?;
    let former = record
        .votes
        .iter()
        .find(|vote| vote.person == ballot.person && vote.choice == Choice::Approve)
        .map(|vote| vote.seats.clone())
        .unwrap_or_default();
    let others: Vec<Vote> = record
        .votes
        .iter()
        .filter(|vote| vote.person != ballot.person)
        .cloned()
        .collect();
    let counts = as_cast(record);
    let mut seats = Vec::new();
    let mut gained = false;
    let mut required = false;
    let mut asked_somewhere = false;
    for (track, (requirement, progress)) in
        record.asked.tracks.iter().zip(&record.progress).enumerate()
    {
        let track_id = u8::try_from(track).unwrap_or(u8::MAX);
        let held = former.iter().find(|seat| seat.track == track_id);
        let asked = seating::is_asked(requirement, progress, &ballot.person, &ballot.groups);
        asked_somewhere |= asked;
        // A human who already counts in an earlier stage moves on only where that stage stands
        // without them (invariant 6).
        let free = held.is_none_or(|seat| {
            seat.stage != progress.open
                && seating::stage_met(
                    requirement,
                    track,
                    usize::from(seat.stage),
                    progress,
                    &others,
                    &counts,
                )
        });
        if asked && free {
            gained = true;
            required |= requirement.wants_comment_on_approve();
            seats.push(Seat {
                track: track_id,
                stage: progress.open,
            });
        } else {
            seats.extend(held.copied());
        }
    }
    if !gained {
        return Err(if asked_somewhere || !former.is_empty() {
            Refused::AlreadyVoted(ballot.person.clone())
        } else {
            Refused::NotAsked(ballot.person.clone())
        });
    }
    comment_if(required, ballot)?;
    let mut events = vec![cast(record, ballot, seats, now)];
    reopen(record);
    advance(record, now, &mut events);
    Ok(events)
}

fn confirm(record: &mut Record, ballot: &Ballot, now: Timestamp) -> Result<Vec<What>, Refused> {
    let track = confirm_track(record);
    // Of the chain when it was asked, and still.
    let principal = record.asked.principals.contains(&ballot.person)
        && ballot.excluded.contains(&ballot.person);
    if track.is_none() || !principal {
        return Err(Refused::NotAsked(ballot.person.clone()));
    }
    if standing(record, &ballot.person) == Some(Choice::Confirm) {
        return Err(Refused::AlreadyVoted(ballot.person.clone()));
    }
    let required = track.is_some_and(|r| r.wants_comment_on_approve());
    comment_if(required, ballot)?;
    let mut events = vec![cast(record, ballot, Vec::new(), now)];
    reopen(record);
    advance(record, now, &mut events);
    Ok(events)
}

fn confirm_track(record: &Record) -> Option<Arc<crate::policy::Requirement>> {
    let open = record.asked.tracks.iter().zip(&record.progress);
    open.filter(|(_, progress)| !progress.met)
        .map(|(requirement, _)| requirement)
        .find(|requirement| requirement.stages().next().is_none())
        .cloned()
}

fn standing(record: &Record, person: &PersonId) -> Option<Choice> {
    let vote = record.votes.iter().find(|vote| vote.person == *person);
    vote.map(|vote| vote.choice)
}

fn break_glass(record: &mut Record, ballot: &Ballot, now: Timestamp) -> Result<Vec<What>, Refused> {
    outsider(record, &ballot.person)?;
    let may = record.asked.tracks.iter().any(|requirement| {
        requirement
            .break_glass_group()
            .is_some_and(|group| ballot.groups.contains(group))
    });
    if !may {
        return Err(Refused::NotAsked(ballot.person.clone()));
    }
    if standing(record, &ballot.person) == Some(Choice::BreakGlass) {
        return Err(Refused::AlreadyVoted(ballot.person.clone()));
    }
    comment_if(true, ballot)?;
    let mut events = vec![cast(record, ballot, Vec::new(), now)];
    reopen(record);
    advance(record, now, &mut events);
    Ok(events)
}

fn deny(record: &mut Record, ballot: &Ballot, now: Timestamp) -> Result<Vec<What>, Refused> {
    let principal = record.asked.principals.contains(&ballot.person);
    let confirms = confirm_track(record).filter(|_| principal);
    if confirms.is_none() {
        outsider(record, &ballot.person)?;
    }
    let mut required = confirms.as_ref().is_some_and(|r| r.wants_comment_on_deny());
    let mut asked = confirms.is_some();
    for (requirement, progress) in record.asked.tracks.iter().zip(&record.progress) {
        if !principal && seating::is_asked(requirement, progress, &ballot.person, &ballot.groups) {
            asked = true;
            required |= requirement.wants_comment_on_deny();
        }
    }
    if !asked {
        return Err(Refused::NotAsked(ballot.person.clone()));
    }
    comment_if(required, ballot)?;
    if let Some(proposal) = &ballot.proposal {
        let unknown = |name: &&String| record.asked.call.arguments().get(name).is_none();
        if let Some(name) = proposal.keys().find(unknown) {
            return Err(Refused::UnknownArgument(name.clone()));
        }
    }
    let voted = cast(record, ballot, Vec::new(), now);
    record.state = State::Denied {
        at: now,
        by: ballot.person.clone(),
        comment: ballot.comment.clone(),
        proposal: ballot.proposal.clone(),
    };
    Ok(vec![
        voted,
        What::Denied {
            by: ballot.person.clone(),
            comment: ballot.comment.clone(),
            proposal: ballot.proposal.clone(),
        },
    ])
}

fn withdraw_vote(
    record: &mut Record,
    ballot: &Ballot,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    match standing(record, &ballot.person) {
        None | Some(Choice::Withdrawn) => return Err(Refused::NoVote(ballot.person.clone())),
        Some(Choice::Approve | Choice::Deny | Choice::Confirm | Choice::BreakGlass) => {}
    }
    let events = vec![cast(record, ballot, Vec::new(), now)];
    reopen(record);
    Ok(events)
}

/// A stage that is no longer met opens again: its reviewer changed their word, or turned out to
/// have a part in the request. The deadline of the latest open stage still holds.
fn reopen(record: &mut Record) {
    let counts = as_cast(record);
    let asked = Arc::clone(&record.asked);
    let votes = &record.votes;
    for (track, (requirement, progress)) in
        asked.tracks.iter().zip(&mut record.progress).enumerate()
    {
        progress.met = seating::track_met(&asked, track, requirement, progress, votes, &counts);
        let broken = (0..usize::from(progress.open)).find(|stage| {
            !seating::stage_met(requirement, track, *stage, progress, votes, &counts)
        });
        if let Some(stage) = broken.filter(|_| !progress.met) {
            progress.open = u8::try_from(stage).unwrap_or(progress.open);
        }
    }
}

/// Opens the stages that follow, and approves when every track is met.
fn advance(record: &mut Record, now: Timestamp, events: &mut Vec<What>) {
    let counts = as_cast(record);
    let asked = Arc::clone(&record.asked);
    let votes = &record.votes;
    for (track, (requirement, progress)) in
        asked.tracks.iter().zip(&mut record.progress).enumerate()
    {
        if progress.met {
            continue;
        }
        let broken = seating::glass_broken(requirement, votes, &counts);
        let stages = requirement.stages().count();
        while usize::from(progress.open) < stages
            && seating::stage_met(
                requirement,
                track,
                usize::from(progress.open),
                progress,
                votes,
                &counts,
            )
        {
            progress.open = progress.open.saturating_add(1);
            if usize::from(progress.open) < stages {
                progress.deadline =
                    seating::stage_deadline(requirement, usize::from(progress.open), now)
                        .min(asked.expires_at);
                events.push(What::StageOpened {
                    track: u8::try_from(track).unwrap_or(u8::MAX),
                    stage: progress.open,
                });
            }
        }
        progress.met = broken
            || if stages == 0 {
                seating::confirmed(&asked, votes, &counts)
            } else {
                usize::from(progress.open) >= stages
            };
    }
    if !record.progress.iter().all(|progress| progress.met) {
        return;
    }
    let broke = votes
        .iter()
        .find(|vote| vote.choice == Choice::BreakGlass && counts(vote).is_some())
        .map(|vote| vote.person.clone());
    match broke {
        Some(by) => {
            events.push(What::GlassBroken { by: by.clone() });
            record.review_owed = Some(by);
        }
        None => record.grant = grant(record, now),
    }
    record.state = State::Approved {
        at: now,
        // Invariant 9: a late yes does not outlive the absolute deadline.
        execute_by: now.plus(asked.execute_within()).min(asked.expires_at),
    };
    events.push(What::Approved);
}

/// What the yes covers beyond this run: only where every track offers it and every argument is
/// bound.
fn grant(record: &Record, now: Timestamp) -> Option<Grant> {
    if record.asked.call.arguments().has_skipped() {
        return None;
    }
    let terms = record
        .asked
        .tracks
        .iter()
        .map(|track| track.reuse_terms())
        .collect::<Option<Vec<_>>>()?;
    let uses = terms.iter().map(|terms| terms.uses).min()?;
    let within = terms.iter().map(|terms| terms.within).min()?;
    Some(Grant {
        uses_left: uses.saturating_sub(1),
        until: now.plus(within),
        closed: false,
    })
}

// ---- time --------------------------------------------------------------------------------------

fn due(record: &mut Record, now: Timestamp) -> Result<Vec<What>, Refused> {
    match record.state.clone() {
        State::Pending => due_while_pending(record, now),
        State::Approved { execute_by, .. } if execute_by <= now => Ok(lapse(record, now)),
        State::Claimed {
            claim,
            execute_by,
            approved_at,
        } if claim.lease_until.min(execute_by) <= now => {
            if execute_by <= now {
                return Ok(lapse(record, now));
            }
            record.state = State::Approved {
                at: approved_at,
                execute_by,
            };
            Ok(vec![What::LeaseLost { fence: claim.fence }])
        }
        // Invariant 7: started and silent is in doubt, never run again by itself.
        State::Executing { claim } if claim.lease_until <= now => {
            let why: Arc<str> = "its lease ran out while it was executing".into();
            Ok(in_doubt(record, &why, now))
        }
        State::Approved { .. } | State::Claimed { .. } | State::Executing { .. } => {
            Err(Refused::NothingDue)
        }
        State::Succeeded { .. }
        | State::Failed { .. }
        | State::InDoubt { .. }
        | State::Denied { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => Err(Refused::NothingDue),
    }
}

fn due_while_pending(record: &mut Record, now: Timestamp) -> Result<Vec<What>, Refused> {
    let asked = Arc::clone(&record.asked);
    let mut events = Vec::new();
    let mut expired = asked.expires_at <= now;
    for (track, (requirement, progress)) in
        asked.tracks.iter().zip(&mut record.progress).enumerate()
    {
        if expired || progress.met || progress.deadline > now {
            continue;
        }
        let open = usize::from(progress.open);
        let bit = 1_u16 << open.min(15);
        let stage = requirement.stages().nth(open);
        match stage.map(|stage| (stage.on_timeout(), stage.time())) {
            Some((OnTimeout::EscalateTo(_), time)) if progress.widened & bit == 0 => {
                progress.widened |= bit;
                progress.deadline = now.plus(time).min(asked.expires_at);
                events.push(What::Widened {
                    track: u8::try_from(track).unwrap_or(u8::MAX),
                    stage: progress.open,
                });
            }
            Some((OnTimeout::EscalateTo(_) | OnTimeout::Deny, _)) | None => expired = true,
        }
    }
    if expired {
        record.state = State::Expired { at: now };
        events.push(What::Expired);
    }
    if events.is_empty() {
        return Err(Refused::NothingDue);
    }
    if !expired {
        // Votes are kept: where a voter is of the widened audience as well, those that stand may
        // now fill every seat.
        advance(record, now, &mut events);
    }
    Ok(events)
}

fn lapse(record: &mut Record, now: Timestamp) -> Vec<What> {
    record.state = State::Lapsed { at: now };
    vec![What::Lapsed]
}

// ---- running -----------------------------------------------------------------------------------

fn claim(record: &mut Record, claim: &ClaimNow, now: Timestamp) -> Result<Vec<What>, Refused> {
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
    record.excluded.extend(claim.excluded.iter().cloned());
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
    }])
}

fn struck(record: &Record, counts: &Counts<'_>) -> usize {
    record
        .votes
        .iter()
        .filter(|vote| vote.choice != Choice::Withdrawn && counts(vote).is_none())
        .count()
}

fn claimed(record: &Record, fence: u64) -> Result<(Claim, Timestamp, Timestamp), Refused> {
    match &record.state {
        State::Claimed {
            claim,
            execute_by,
            approved_at,
        } if claim.fence == fence => Ok((*claim, *execute_by, *approved_at)),
        State::Claimed { .. } => Err(Refused::OtherClaim {
            given: fence,
            stands: record.fence,
        }),
        State::Pending
        | State::Approved { .. }
        | State::Executing { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::InDoubt { .. }
        | State::Denied { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => {
            needs(record, Phase::Claimed)?;
            Err(Refused::Settled(record.state.phase()))
        }
    }
}

fn executing(record: &Record, fence: u64) -> Result<Claim, Refused> {
    match &record.state {
        State::Executing { claim } if claim.fence == fence => Ok(*claim),
        State::Executing { .. } => Err(Refused::OtherClaim {
            given: fence,
            stands: record.fence,
        }),
        State::Pending
        | State::Approved { .. }
        | State::Claimed { .. }
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

/// Invariant 7: one claim starts one execution, and only while it holds.
fn start(
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

fn renew(
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

// ---- operators ---------------------------------------------------------------------------------

fn revoke(
    record: &mut Record,
    by: &PersonId,
    reason: &Arc<str>,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    said(reason)?;
    let granted = record.grant.is_some_and(|grant| !grant.closed);
    let phase = record.state.phase();
    let takes_back = matches!(phase, Phase::Approved | Phase::Claimed);
    if !takes_back && !granted {
        needs(record, Phase::Approved)?;
    }
    if let Some(grant) = &mut record.grant {
        grant.closed = true;
    }
    if takes_back {
        record.state = State::Revoked {
            at: now,
            by: by.clone(),
            reason: Arc::clone(reason),
        };
    }
    Ok(vec![What::Revoked {
        by: by.clone(),
        reason: Arc::clone(reason),
    }])
}

fn in_doubt(record: &mut Record, why: &Arc<str>, now: Timestamp) -> Vec<What> {
    if let Some(grant) = &mut record.grant {
        grant.closed = true;
    }
    record.state = State::InDoubt {
        at: now,
        why: Arc::clone(why),
    };
    vec![What::InDoubt {
        why: Arc::clone(why),
    }]
}

fn resolve(
    record: &mut Record,
    by: &PersonId,
    reason: &Arc<str>,
    succeeded: bool,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    needs(record, Phase::InDoubt)?;
    said(reason)?;
    let summary = Some(Arc::clone(reason));
    record.state = if succeeded {
        State::Succeeded { at: now, summary }
    } else {
        State::Failed { at: now, summary }
    };
    Ok(vec![What::Resolved {
        by: by.clone(),
        reason: Arc::clone(reason),
        succeeded,
    }])
}

fn review_afterwards(
    record: &mut Record,
    by: &PersonId,
    excluded: &BTreeSet<PersonId>,
    comment: &Arc<str>,
) -> Result<Vec<What>, Refused> {
    let Some(broke) = record.review_owed.clone() else {
        return Err(Refused::NothingOwed);
    };
    said(comment)?;
    record.excluded.extend(excluded.iter().cloned());
    outsider(record, by)?;
    if broke == *by {
        return Err(Refused::OwnRequest(by.clone()));
    }
    record.review_owed = None;
    Ok(vec![What::ReviewedAfterwards {
        by: by.clone(),
        comment: Arc::clone(comment),
    }])
}

fn close_grant(record: &mut Record, why: &Arc<str>) -> Result<Vec<What>, Refused> {
    match &mut record.grant {
        Some(grant) if !grant.closed => {
            grant.closed = true;
            Ok(vec![What::GrantClosed {
                why: Arc::clone(why),
            }])
        }
        Some(_) | None => Err(Refused::NoGrant),
    }
}
