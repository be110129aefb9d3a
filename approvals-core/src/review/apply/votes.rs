//! Votes: who may cast one, where it counts, and what the last one brings about.

use std::sync::Arc;

use crate::audit::What;
use crate::call::{Argument, Bound};
use crate::id::PersonId;
use crate::review::record::{Grant, Record};
use crate::review::refused::Refused;
use crate::review::seating;
use crate::review::state::{Phase, State};
use crate::review::vote::{Ballot, Choice, Seat, Vote};
use crate::shared_set::Groups;
use crate::time::Timestamp;

pub(super) fn vote(
    record: &mut Record,
    ballot: &Ballot,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    if record.state.phase() != Phase::Pending {
        return Err(Refused::Settled(record.state.phase()));
    }
    // Invariant 9: late is no. Whatever is due takes effect before any vote.
    if let Some(deadline) = record.late_from().filter(|deadline| *deadline <= now) {
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
    record.excluded.unite(&ballot.excluded);
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
pub(super) fn outsider(record: &Record, person: &PersonId) -> Result<(), Refused> {
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
    let vote = Arc::new(Vote {
        person: ballot.person.clone(),
        identity: ballot.identity.clone(),
        groups: ballot.groups.clone(),
        choice: ballot.choice,
        comment: ballot.comment.clone(),
        at: now,
        revision: record.revision,
        seats,
    });
    record.votes.push(Arc::clone(&vote));
    What::Voted {
        vote,
        shown: ballot.shown,
        seen_revision: ballot.revision,
    }
}

/// A vote counts, while the request is pending, by the groups that its reviewer was in when it was
/// cast, and not at all for whoever turned out to have a part in the request.
fn as_cast(record: &Record) -> impl Fn(&Vote) -> Option<Groups> + use<> {
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
    let others: Vec<Arc<Vote>> = record
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
        // What an author does not show is not proposed in clear either.
        let shown = |argument: &Argument<'_>| {
            !matches!(argument.bound, Bound::Redacted(_) | Bound::Skipped)
        };
        let arguments = record.asked.call.arguments();
        let unknown = |name: &&String| !arguments.get(name).is_some_and(|a| shown(&a));
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
pub(super) fn advance(record: &mut Record, now: Timestamp, events: &mut Vec<What>) {
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
                progress.remind_at = requirement.reminders().first_at(now, progress.deadline);
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
