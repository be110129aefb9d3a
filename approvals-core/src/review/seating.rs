//! Who may take which seat, and whether every seat can be taken by another human.

use std::sync::Arc;

use super::record::{Asked, Progress};
use super::vote::{Choice, Seat, Vote};
use crate::id::PersonId;
use crate::policy::{Agreement, OnTimeout, Quorum, Requirement, Stage};
use crate::shared_set::Groups;
use crate::time::Timestamp;

/// The groups to judge a vote by, or `None` when it does not count.
pub(super) type Counts<'a> = dyn Fn(&Vote) -> Option<Groups> + 'a;

/// When a stage that opens now is overdue.
pub(super) fn stage_deadline(requirement: &Requirement, stage: usize, now: Timestamp) -> Timestamp {
    match requirement.agreement() {
        Agreement::Confirm { decide_within } => now.plus(*decide_within),
        Agreement::Review(stages) => stages
            .get(stage)
            .map_or(now, |stage| now.plus(stage.time())),
    }
}

/// Whether a person is asked for a quorum's seats.
fn may_sit(
    stage: &Stage,
    quorum: &Quorum,
    widened: bool,
    person: &PersonId,
    groups: &Groups,
) -> bool {
    quorum.from().includes(person, groups)
        || match stage.on_timeout() {
            OnTimeout::Deny => false,
            OnTimeout::EscalateTo(audience) => widened && audience.includes(person, groups),
        }
}

fn is_widened(progress: &Progress, stage: usize) -> bool {
    progress.widened & (1_u16 << stage.min(15)) != 0
}

/// Whether a person is of the audience of a track's open stage.
pub(super) fn is_asked(
    requirement: &Requirement,
    progress: &Progress,
    person: &PersonId,
    groups: &Groups,
) -> bool {
    let open = usize::from(progress.open);
    !progress.met
        && requirement.stages().nth(open).is_some_and(|stage| {
            stage
                .quorums()
                .iter()
                .any(|quorum| may_sit(stage, quorum, is_widened(progress, open), person, groups))
        })
}

/// Whether every seat of a stage can be taken by another human of those who voted in it.
pub(super) fn stage_met(
    requirement: &Requirement,
    track: usize,
    stage_index: usize,
    progress: &Progress,
    votes: &[Arc<Vote>],
    counts: &Counts<'_>,
) -> bool {
    let Some(stage) = requirement.stages().nth(stage_index) else {
        return false;
    };
    let widened = is_widened(progress, stage_index);
    let here =
        |seat: &Seat| usize::from(seat.track) == track && usize::from(seat.stage) == stage_index;
    // A human has one vote in the list, and so stands here once.
    let voters = votes
        .iter()
        .filter(|vote| vote.choice == Choice::Approve && vote.seats.iter().any(here))
        .filter_map(|vote| Some((&vote.person, counts(vote)?)));
    if stage.quorums().count() == 1 {
        // Every seat is like the others: whoever may take one may take any.
        let quorum = stage.quorums().first();
        let seated = voters.filter(|(who, groups)| may_sit(stage, quorum, widened, who, groups));
        return seated.count() >= quorum.count();
    }
    let voters: Vec<(&PersonId, Groups)> = voters.collect();
    let seats: Vec<&Quorum> = stage
        .quorums()
        .iter()
        .flat_map(|quorum| std::iter::repeat_n(quorum, quorum.count()))
        .collect();
    if voters.len() < seats.len() {
        return false;
    }
    let may_take: Vec<Vec<usize>> = seats
        .iter()
        .map(|quorum| {
            voters
                .iter()
                .enumerate()
                .filter(|(_, (person, groups))| may_sit(stage, quorum, widened, person, groups))
                .map(|(voter, _)| voter)
                .collect()
        })
        .collect();
    seat_everybody(&may_take, voters.len())
}

/// Bipartite matching by augmenting paths: whether every seat gets a voter of its own.
fn seat_everybody(may_take: &[Vec<usize>], voters: usize) -> bool {
    let mut seat_of: Vec<Option<usize>> = vec![None; voters];
    (0..may_take.len()).all(|seat| {
        let mut tried = vec![false; voters];
        take_seat(seat, may_take, &mut seat_of, &mut tried)
    })
}

fn take_seat(
    seat: usize,
    may_take: &[Vec<usize>],
    seat_of: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for &voter in may_take.get(seat).map_or(&[][..], |list| list) {
        match tried.get_mut(voter) {
            Some(tried) if !*tried => *tried = true,
            _ => continue,
        }
        let free = match seat_of.get(voter).copied().flatten() {
            None => true,
            Some(other) => take_seat(other, may_take, seat_of, tried),
        };
        if free {
            if let Some(place) = seat_of.get_mut(voter) {
                *place = Some(seat);
            }
            return true;
        }
    }
    false
}

/// Whether a track is met by the votes that count.
pub(super) fn track_met(
    asked: &Asked,
    track: usize,
    requirement: &Requirement,
    progress: &Progress,
    votes: &[Arc<Vote>],
    counts: &Counts<'_>,
) -> bool {
    if glass_broken(requirement, votes, counts) {
        return true;
    }
    match requirement.agreement() {
        Agreement::Confirm { .. } => confirmed(asked, votes, counts),
        Agreement::Review(stages) => (0..stages.count())
            .all(|stage| stage_met(requirement, track, stage, progress, votes, counts)),
    }
}

/// Whether a principal has confirmed.
pub(super) fn confirmed(asked: &Asked, votes: &[Arc<Vote>], counts: &Counts<'_>) -> bool {
    votes.iter().any(|vote| {
        vote.choice == Choice::Confirm
            && asked.principals.contains(&vote.person)
            && counts(vote).is_some()
    })
}

/// Whether a member of the requirement's break-glass group has released it.
pub(super) fn glass_broken(
    requirement: &Requirement,
    votes: &[Arc<Vote>],
    counts: &Counts<'_>,
) -> bool {
    requirement.break_glass_group().is_some_and(|group| {
        votes.iter().any(|vote| {
            vote.choice == Choice::BreakGlass
                && counts(vote).is_some_and(|groups| groups.contains(group))
        })
    })
}

/// Whether these votes, in the order given, would have met a requirement that was not the one they
/// were cast for: each counts for the stage that is open when its turn comes.
pub(super) fn would_meet(
    asked: &Asked,
    requirement: &Requirement,
    votes: &[Arc<Vote>],
    counts: &Counts<'_>,
) -> bool {
    let mut progress = Progress {
        open: 0,
        met: false,
        widened: 0,
        deadline: asked.expires_at,
        remind_at: None,
    };
    let mut seated: Vec<Arc<Vote>> = Vec::with_capacity(votes.len());
    for vote in votes {
        let mut vote = Vote::clone(vote);
        vote.seats.clear();
        let groups = counts(&vote);
        let said = vote
            .comment
            .as_deref()
            .is_some_and(|c| !c.trim().is_empty());
        if requirement.wants_comment_on_approve() && !said {
            continue;
        }
        if vote.choice == Choice::Approve
            && groups.is_some_and(|g| is_asked(requirement, &progress, &vote.person, &g))
        {
            vote.seats.push(Seat {
                track: 0,
                stage: progress.open,
            });
        }
        seated.push(Arc::new(vote));
        let open = usize::from(progress.open);
        if stage_met(requirement, 0, open, &progress, &seated, counts) {
            progress.open = progress.open.saturating_add(1);
        }
    }
    track_met(asked, 0, requirement, &progress, &seated, counts)
}

#[cfg(test)]
mod tests {
    use super::seat_everybody;

    #[test]
    fn every_seat_needs_a_human_of_its_own() {
        // Voter 0 could take either seat, voter 1 only the first: both sit.
        assert!(seat_everybody(&[vec![0, 1], vec![0]], 2));
        // One human cannot take both.
        assert!(!seat_everybody(&[vec![0], vec![0]], 1));
        // Three seats, three voters, one arrangement.
        assert!(seat_everybody(&[vec![0, 1, 2], vec![0, 1], vec![0]], 3));
        assert!(!seat_everybody(&[vec![0, 1], vec![0, 1], vec![0, 1]], 3));
        assert!(!seat_everybody(&[vec![]], 3));
    }
}
