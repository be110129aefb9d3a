//! What is put on the screen around the presentation, which is printed as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

use approvals_core::review::Vote;
use approvals_core::text::{Lines, escape};
use approvals_core::{Choice, Coverage, Phase, Presentation, Record, State};

use crate::console::Word;

/// The most that a terminal shows whole: some 800 lines.
pub(crate) const MOST_BYTES: usize = 64 * 1024;
/// An argument up to this size is shown even where the whole is too large.
const SMALL_BYTES: usize = 2 * 1024;
const TITLE: &str = "── Approval wanted ─────────────────────────────────────────────────────";
const RULE: &str = "────────────────────────────────────────────────────────────────────────";

/// Whether all of it fits, and if not, why.
pub(crate) fn coverage(presentation: &Presentation<'_>) -> Coverage {
    if !presentation.is_whole() {
        let why = format!(
            "what looks like a secret is masked at {}",
            presentation.masked.join(", ")
        );
        return Coverage::Partial { why };
    }
    let bytes = presentation.bytes();
    if bytes > MOST_BYTES {
        let why = format!("it has {bytes} bytes, and a terminal shows at most {MOST_BYTES}");
        return Coverage::Partial { why };
    }
    Coverage::Whole
}

/// A request as it is put before somebody.
pub(crate) fn request(presentation: &Presentation<'_>, coverage: &Coverage) -> String {
    match coverage {
        Coverage::Whole => format!("{TITLE}\n{presentation}\n{RULE}"),
        Coverage::Partial { why } => {
            let shown = what_fits(presentation);
            format!(
                "{TITLE}\n{shown}\n{RULE}\nNot all of it is shown here: {why}.\n\
                 It can be denied here, and approved only where all of it is shown."
            )
        }
    }
}

/// What fits of a presentation, saying at each place what does not.
fn what_fits(presentation: &Presentation<'_>) -> String {
    let mut reduced = presentation.clone();
    let arguments = reduced.arguments.iter_mut();
    for argument in arguments.chain(&mut reduced.fields) {
        if argument.text.len() > SMALL_BYTES {
            let note = format!("NOT SHOWN: {} bytes", argument.text.len());
            argument.text = Cow::Owned(note);
        }
    }
    let text = reduced.to_string();
    let end = text.floor_char_boundary(MOST_BYTES);
    match text.split_at_checked(end) {
        Some((start, rest)) if !rest.is_empty() => {
            format!("{start}\nNOT SHOWN: the other {} bytes", rest.len())
        }
        _ => text,
    }
}

/// Says that several people are spoken for at one keyboard.
pub(crate) fn demonstration(identity: &str) -> String {
    format!(
        "DEMONSTRATION: this terminal answers for several people. Now you are `{identity}`.\n\
         In earnest each person answers at a channel of their own."
    )
}

/// An answer that is none.
pub(crate) fn unclear(words: &[Word]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.as_str()).collect();
    format!("Please type one of these words: {}", words.join(", "))
}

/// How far a request has come, and what is known beside the presentation.
pub(crate) fn details(record: &Record) -> String {
    let asked = &record.asked;
    let requester = asked.call.requester();
    let mut text = format!("revision     {}", record.revision);
    let known = [
        ("run", requester.run_id()),
        ("session", requester.session_id()),
        ("trace", requester.traceparent()),
        ("policy", asked.policy_version.as_deref()),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            let _ = write!(text, "\n{name:<12} {}", line(value));
        }
    }
    for (track, progress) in asked.tracks.iter().zip(&record.progress) {
        let stages = track.stages().count().max(1);
        let _ = match progress.met {
            true => write!(text, "\nstage        all {stages} met"),
            false => write!(
                text,
                "\nstage        {} of {stages}, to be decided by {}",
                progress.open.saturating_add(1),
                progress.deadline
            ),
        };
    }
    if record.votes.is_empty() {
        text.push_str("\nvotes        none yet");
    }
    for vote in &record.votes {
        let _ = write!(text, "\nvote         {}", said(vote));
    }
    text
}

fn said(vote: &Vote) -> String {
    let what = match vote.choice {
        Choice::Approve => "approves",
        Choice::Deny => "denies",
        Choice::Confirm => "confirms",
        Choice::BreakGlass => "breaks the glass",
        Choice::Withdrawn => "took the vote back",
    };
    format!("{} {what}{}", vote.person, quoted(vote.comment.as_deref()))
}

/// What a vote did.
pub(crate) fn counted(identity: &str, choice: Choice, record: &Record) -> String {
    let vote = record
        .votes
        .iter()
        .rev()
        .find(|v| &*v.identity.user == identity);
    let said = match vote {
        Some(vote) => said(vote),
        None => format!("{identity}: {choice:?}"),
    };
    match record.state.phase() {
        Phase::Pending => format!("Counted: {said}. Others still have to agree."),
        phase => format!("Counted: {said}. The request is {phase}."),
    }
}

/// What a request has become; nothing where a line would only be noise.
pub(crate) fn outcome(record: &Record) -> Option<String> {
    let became = match &record.state {
        // The channel itself says so where it matters, and steps to the body follow at once.
        State::Pending
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Executing { .. } => return None,
        State::Succeeded { summary, .. } => format!("ran well{}", quoted(summary.as_deref())),
        State::Failed { summary, .. } => {
            format!("ran and failed{}", quoted(summary.as_deref()))
        }
        State::InDoubt { why, .. } => {
            format!("was started and its outcome is not known: {}", line(why))
        }
        State::Denied { by, comment, .. } => {
            format!("was denied by {by}{}", quoted(comment.as_deref()))
        }
        State::Withdrawn { why, .. } => format!("was withdrawn: {}", line(why)),
        State::Expired { .. } => "expired: nobody decided in time".to_owned(),
        State::Revoked { by, reason, .. } => {
            format!("was revoked by {by}{}", quoted(Some(reason)))
        }
        State::Lapsed { .. } => "lapsed: it was approved and not run in time".to_owned(),
    };
    let asked = &record.asked;
    let (action, code) = (asked.call.action(), asked.digest.short_code());
    Some(format!("{action} ({code}) {became}."))
}

/// Where a request stands that needs no answer any more.
pub(crate) fn over(record: &Record) -> String {
    let asked = &record.asked;
    let (action, code) = (asked.call.action(), asked.digest.short_code());
    let stands = outcome(record);
    let stands =
        stands.unwrap_or_else(|| format!("{action} ({code}) is {}.", record.state.phase()));
    format!("No answer is needed any more: {stands}")
}

fn line(text: &str) -> Cow<'_, str> {
    escape(text, Lines::Escape)
}

fn quoted(comment: Option<&str>) -> String {
    comment.map_or_else(String::new, |comment| format!(": \"{}\"", line(comment)))
}
