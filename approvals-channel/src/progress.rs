//! How far a request has come: who said what and when, and what became of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use approvals_core::review::Vote;
use approvals_core::text::{Lines, escape};
use approvals_core::{Choice, Record, State};

use crate::writing::{Piece, Text, label, room, room_of, units};

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

/// How a request stands, in words of ours alone, for where nothing may stand that came from outside.
#[must_use]
pub fn in_short(record: &Record) -> String {
    let (what, asked) = (title(&record.state), &record.asked);
    let code = asked.digest.short_code();
    [what, " (risk ", asked.risk.as_str(), ", code ", &code, ")"].concat()
}

/// The lines below what is asked.
#[must_use]
pub fn progress(record: &Record) -> Text<'_> {
    let mut lines = Text::with_room(4);
    if record.state == State::Pending {
        tracks(record, &mut lines);
    }
    let hidden = record.votes.len().saturating_sub(VOTES);
    if hidden > 0 {
        let text = format!("{hidden} earlier ones");
        lines.line([label("Votes"), Piece::plain(text)]);
    }
    let listed = record.votes.len().saturating_sub(hidden).max(1);
    let most = COMMENT.min(COMMENTS / listed);
    for vote in record.votes.iter().skip(hidden) {
        said(vote, most, &mut lines);
    }
    outcome(&record.state, &mut lines);
    if let Some(person) = &record.review_owed {
        let text = format!("released by {person} alone: a review after the fact is owed");
        lines.line([label("Mind"), Piece::plain(text)]);
    }
    lines
}

/// What is still wanted, a line each.
fn tracks(record: &Record, lines: &mut Text<'_>) {
    let tracks = record.asked.tracks.iter().zip(&record.progress);
    for (index, (track, progress)) in tracks.enumerate() {
        let stages = track.stages().count().max(1);
        let mut text = String::with_capacity(128);
        match progress.met {
            true => text.push_str("met"),
            false => {
                let stage = progress.open.saturating_add(1);
                // Writing to a text does not fail.
                let _ = write!(text, "stage {stage} of {stages}, to be decided by ");
                let _ = write!(text, "{}", progress.deadline);
            }
        }
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
            // Writing to a text does not fail.
            let _ = write!(text, "; {} of {seats} have agreed", taken.count());
            if progress.widened & (1_u16.checked_shl(progress.open.into()).unwrap_or(0)) != 0 {
                text.push_str("; others are asked as well by now");
            }
        }
        lines.line([label("Wanted"), Piece::plain(text)]);
    }
}

fn said<'a>(vote: &'a Vote, most: usize, lines: &mut Text<'a>) {
    let what = match vote.choice {
        Choice::Approve => "approves",
        Choice::Deny => "denies",
        Choice::Confirm => "confirms their own agent's call",
        Choice::BreakGlass => "breaks the glass",
        Choice::Withdrawn => "took the vote back",
    };
    let line = [
        label("Vote"),
        Piece::code(vote.person.as_str()),
        Piece::plain(format!(" {what}, {}", vote.at)),
    ];
    let comment = comment(vote.comment.as_deref(), most);
    lines.line(line.into_iter().chain(comment));
}

/// How it ended; nothing where it has not.
fn outcome<'a>(state: &'a State, lines: &mut Text<'a>) {
    let (at, by, why) = match state {
        State::Pending | State::Claimed { .. } | State::Executing { .. } => return,
        State::Approved { at, execute_by } => {
            let text = format!("{at}, to be run by {execute_by}");
            return lines.line([label("Approved"), Piece::plain(text)]);
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
    let mut pieces = vec![label("Ended"), Piece::plain(at.to_string())];
    if let Some(by) = by {
        pieces.extend([Piece::plain(" by "), Piece::code(by.as_str())]);
    }
    pieces.extend(comment(why, LAST_WORD));
    if let State::Denied {
        proposal: Some(proposal),
        ..
    } = state
        && let Ok(json) = serde_json::to_string(&**proposal)
    {
        pieces.push(Piece::plain("; would agree to "));
        pieces.push(Piece::code(clipped(&json, LAST_WORD).into_owned()));
    }
    lines.line(pieces);
}

/// Somebody's words, escaped and in a style of their own.
fn comment(text: Option<&str>, most: usize) -> impl Iterator<Item = Piece<'_>> {
    let text = text.filter(|text| !text.is_empty());
    let words = text.map(|text| [Piece::plain(": "), Piece::italic(clipped(text, most))]);
    words.into_iter().flatten()
}

/// The beginning of a text, saying how much is not there.
fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    let escaped = escape(text, Lines::Escape);
    if room(&escaped) <= most {
        return escaped;
    }
    let mut taken = 0;
    let fits = |character: &char| {
        taken += room_of(*character);
        taken <= most
    };
    let kept: String = escaped.chars().take_while(fits).collect();
    let left = units(&escaped).saturating_sub(units(&kept));
    Cow::Owned(format!("{kept} […{left} more characters, see the trail]"))
}
