//! How far a request has come: who said what and when, and what became of it.

use approvals_core::review::Vote;
use approvals_core::text::{Lines, escape};
use approvals_core::{Choice, Record, State};

use crate::writing::{Paragraph, Piece, label, room, room_of, units};

/// The most of a comment that a message repeats. All of it is in the trail.
const COMMENT: usize = 600;
/// The most of all comments together: what is beside them has to fit as well.
const COMMENTS: usize = 1_600;
/// The most of what was said at the end.
const LAST_WORD: usize = 400;
/// The most votes that are listed.
const VOTES: usize = 12;

/// The title of a message.
#[must_use]
pub const fn title(state: &State) -> &'static str {
    match state {
        State::Pending => "Approval wanted",
        State::Approved { .. } => "Approved",
        State::Claimed { .. } => "Approved, about to run",
        State::Executing { .. } => "Approved, running",
        State::Succeeded { .. } => "Approved, ran well",
        State::Failed { .. } => "Approved, ran and failed",
        State::InDoubt { .. } => "Approved, outcome not known",
        State::Denied { .. } => "Denied",
        State::Withdrawn { .. } => "Withdrawn",
        State::Expired { .. } => "Expired: nobody decided in time",
        State::Revoked { .. } => "Approval revoked",
        State::Lapsed { .. } => "Approved, and not run in time",
    }
}

/// The lines below what is asked.
#[must_use]
pub fn progress(record: &Record) -> Vec<Paragraph> {
    let mut lines = Vec::new();
    if record.state == State::Pending {
        lines.extend(tracks(record));
    }
    let hidden = record.votes.len().saturating_sub(VOTES);
    if hidden > 0 {
        lines.push(line(
            "Votes",
            vec![Piece::plain(format!("{hidden} earlier ones"))],
        ));
    }
    let listed = record.votes.len().saturating_sub(hidden).max(1);
    let most = COMMENT.min(COMMENTS / listed);
    let votes = record.votes.iter().skip(hidden);
    lines.extend(votes.map(|vote| said(vote, most)));
    lines.extend(outcome(&record.state));
    if let Some(person) = &record.review_owed {
        let text = format!("released by {person} alone: a review after the fact is owed");
        lines.push(line("Mind", vec![Piece::plain(text)]));
    }
    lines
}

/// What is still wanted, a line each.
fn tracks(record: &Record) -> Vec<Paragraph> {
    let tracks = record.asked.tracks.iter().zip(&record.progress);
    let mut lines = Vec::new();
    for (index, (track, progress)) in tracks.enumerate() {
        let stages = track.stages().count().max(1);
        let mut text = match progress.met {
            true => "met".to_owned(),
            false => format!(
                "stage {} of {stages}, to be decided by {}",
                progress.open.saturating_add(1),
                progress.deadline
            ),
        };
        if !progress.met
            && let Some(stage) = track.stages().nth(progress.open.into())
        {
            let seats: usize = stage.quorums().iter().map(|quorum| quorum.count()).sum();
            let taken = record.votes.iter().filter(|vote| {
                let here = |seat: &approvals_core::review::Seat| {
                    usize::from(seat.track) == index && seat.stage == progress.open
                };
                vote.choice == Choice::Approve && vote.seats.iter().any(here)
            });
            text.push_str(&format!("; {} of {seats} have agreed", taken.count()));
            if progress.widened & (1_u16.checked_shl(progress.open.into()).unwrap_or(0)) != 0 {
                text.push_str("; others are asked as well by now");
            }
        }
        lines.push(line("Wanted", vec![Piece::plain(text)]));
    }
    lines
}

fn said(vote: &Vote, most: usize) -> Paragraph {
    let what = match vote.choice {
        Choice::Approve => "approves",
        Choice::Deny => "denies",
        Choice::Confirm => "confirms their own agent's call",
        Choice::BreakGlass => "breaks the glass",
        Choice::Withdrawn => "took the vote back",
    };
    let mut elements = vec![
        Piece::code(vote.person.as_str()),
        Piece::plain(format!(" {what}, {}", vote.at)),
    ];
    elements.extend(comment(vote.comment.as_deref(), most));
    line("Vote", elements)
}

/// How it ended; nothing where it has not.
fn outcome(state: &State) -> Option<Paragraph> {
    let (at, by, why) = match state {
        State::Pending | State::Claimed { .. } | State::Executing { .. } => return None,
        State::Approved { at, execute_by } => {
            let text = format!("{at}, to be run by {execute_by}");
            return Some(line("Approved", vec![Piece::plain(text)]));
        }
        State::Succeeded { at, summary } | State::Failed { at, summary } => {
            (at, None, summary.as_deref())
        }
        State::InDoubt { at, why } | State::Withdrawn { at, why } => (at, None, Some(&**why)),
        State::Denied {
            at, by, comment, ..
        } => (at, Some(by), comment.as_deref()),
        State::Revoked { at, by, reason } => (at, Some(by), Some(&**reason)),
        State::Expired { at } | State::Lapsed { at } => (at, None, None),
    };
    let mut elements = vec![Piece::plain(at.to_string())];
    if let Some(by) = by {
        elements.extend([Piece::plain(" by "), Piece::code(by.as_str())]);
    }
    elements.extend(comment(why, LAST_WORD));
    if let State::Denied {
        proposal: Some(proposal),
        ..
    } = state
        && let Ok(json) = serde_json::to_string(&**proposal)
    {
        elements.push(Piece::plain("; would agree to "));
        elements.push(Piece::code(clipped(&json, LAST_WORD)));
    }
    Some(line("Ended", elements))
}

/// Somebody's words, escaped and in a style of their own.
fn comment(text: Option<&str>, most: usize) -> Vec<Piece> {
    match text {
        Some(text) if !text.is_empty() => {
            vec![Piece::plain(": "), Piece::italic(clipped(text, most))]
        }
        Some(_) | None => Vec::new(),
    }
}

/// The beginning of a text, saying how much is not there.
fn clipped(text: &str, most: usize) -> String {
    let escaped = escape(text, Lines::Escape);
    if room(&escaped) <= most {
        return escaped.into_owned();
    }
    let mut taken = 0;
    let fits = |character: &char| {
        taken += room_of(*character);
        taken <= most
    };
    let kept: String = escaped.chars().take_while(fits).collect();
    let left = units(&escaped).saturating_sub(units(&kept));
    format!("{kept} […{left} more characters, see the trail]")
}

fn line(name: &str, mut rest: Vec<Piece>) -> Paragraph {
    let mut elements = vec![label(name)];
    elements.append(&mut rest);
    Paragraph::line(elements)
}
