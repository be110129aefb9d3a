//! What a button carries: exactly what its message showed, and what pressing it says.

use std::fmt;

use approvals_core::{Agreement, Choice, Digest, Record, RequestId, Risk, State};

use crate::block::{Button, Plain};

/// What a message showed when it was pressed: the vote's request, revision, digest and
/// presentation. Believed no further than the desk checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) request: RequestId,
    pub(crate) revision: u64,
    pub(crate) digest: Digest,
    pub(crate) shown: Digest,
}

impl Seen {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            request: record.id(),
            revision: record.revision,
            digest: record.asked.digest,
            shown: record.asked.shown,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (Some("v1"), Some(request), Some(revision), Some(digest), Some(shown), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        Some(Self {
            request: request.parse().ok()?,
            revision: revision.parse().ok()?,
            digest: digest.parse().ok()?,
            shown: shown.parse().ok()?,
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            revision,
            digest,
            shown,
        } = self;
        write!(f, "v1 {request} {revision} {digest} {shown}")
    }
}

/// What pressing a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Press {
    /// Votes at once.
    Vote(Choice),
    /// Opens a form, whose submission votes.
    Form(Choice),
    /// Opens a page in the browser. There is nothing to do.
    Link,
}

const VOTE: &str = "approvals.vote.";
const FORM: &str = "approvals.form.";
const LINK: &str = "approvals.link";

impl Press {
    pub(crate) fn action_id(self) -> String {
        match self {
            Self::Vote(choice) => format!("{VOTE}{}", word(choice)),
            Self::Form(choice) => format!("{FORM}{}", word(choice)),
            Self::Link => LINK.to_owned(),
        }
    }

    /// What the button with this id does, if it is one of ours.
    pub(crate) fn of(action_id: &str) -> Option<Self> {
        if action_id == LINK {
            return Some(Self::Link);
        }
        let vote = action_id.strip_prefix(VOTE).and_then(choice);
        let form = || action_id.strip_prefix(FORM).and_then(choice);
        vote.map(Self::Vote).or_else(|| form().map(Self::Form))
    }
}

/// A choice as it stands on the wire.
pub(crate) const fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Deny => "deny",
        Choice::Confirm => "confirm",
        Choice::BreakGlass => "break_glass",
        Choice::Withdrawn => "take_back",
    }
}

/// The choice of this word.
pub(crate) fn choice(word: &str) -> Option<Choice> {
    [
        Choice::Approve,
        Choice::Deny,
        Choice::Confirm,
        Choice::BreakGlass,
        Choice::Withdrawn,
    ]
    .into_iter()
    .find(|choice| self::word(*choice) == word)
}

/// What a button or a form of a choice is called.
pub(crate) const fn title(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "Approve",
        Choice::Deny => "Deny",
        Choice::Confirm => "Confirm",
        Choice::BreakGlass => "Break the glass",
        Choice::Withdrawn => "Take my vote back",
    }
}

/// Whether this choice on this request has to be said with words.
pub(crate) fn wants_comment(record: &Record, choice: Choice) -> bool {
    let tracks = || record.asked.tracks.iter();
    match choice {
        Choice::Approve | Choice::Confirm => tracks().any(|track| track.wants_comment_on_approve()),
        Choice::Deny => tracks().any(|track| track.wants_comment_on_deny()),
        Choice::BreakGlass => true,
        Choice::Withdrawn => false,
    }
}

/// Whether a yes to a call of this risk takes typing the digest's short code.
pub(crate) fn wants_code(risk: Risk, choice: Choice) -> bool {
    risk == Risk::Critical
        && matches!(
            choice,
            Choice::Approve | Choice::Confirm | Choice::BreakGlass
        )
}

/// The buttons of a request that is shown whole.
pub(crate) fn buttons(record: &Record) -> Vec<Button> {
    if record.state != State::Pending {
        return Vec::new();
    }
    let tracks = || record.asked.tracks.iter();
    let confirms = |agreement: &Agreement| matches!(agreement, Agreement::Confirm { .. });
    let mut choices = Vec::new();
    if tracks().any(|track| !confirms(track.agreement())) {
        choices.push((Choice::Approve, Some("primary")));
    }
    if tracks().any(|track| confirms(track.agreement())) {
        let only = choices.is_empty().then_some("primary");
        choices.push((Choice::Confirm, only));
    }
    choices.push((Choice::Deny, Some("danger")));
    if tracks().any(|track| track.break_glass_group().is_some()) {
        choices.push((Choice::BreakGlass, None));
    }
    if record
        .votes
        .iter()
        .any(|vote| vote.choice != Choice::Withdrawn)
    {
        choices.push((Choice::Withdrawn, None));
    }
    let value = Seen::of(record).to_string();
    let button = |(choice, style)| {
        let form = choice == Choice::Deny
            || wants_comment(record, choice)
            || wants_code(record.asked.risk, choice);
        let press = if form {
            Press::Form(choice)
        } else {
            Press::Vote(choice)
        };
        Button {
            action_id: press.action_id(),
            text: Plain::new(title(choice)),
            style,
            value: Some(value.clone()),
            url: None,
        }
    };
    choices.into_iter().map(button).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_carries_is_read_back_and_nothing_else_is() {
        let seen = Seen {
            request: RequestId::from_bytes([7; 16]),
            revision: 12,
            digest: Digest::from_bytes([1; 32]),
            shown: Digest::from_bytes([2; 32]),
        };
        let text = seen.to_string();
        assert_eq!(Seen::parse(&text), Some(seen));
        for other in [
            "",
            "v1",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text} x"),
        ] {
            assert_eq!(Seen::parse(other), None, "{other}");
        }
        assert_eq!(Seen::parse(&text.replace("v1", "v2")), None);
        assert_eq!(Seen::parse(&text.replace(" 12 ", " -1 ")), None);
    }

    #[test]
    fn every_press_is_known_by_its_id() {
        for choice in ["approve", "deny", "confirm", "break_glass", "take_back"] {
            let choice = self::choice(choice).unwrap();
            for press in [Press::Vote(choice), Press::Form(choice), Press::Link] {
                assert_eq!(Press::of(&press.action_id()), Some(press));
            }
        }
        assert_eq!(Press::of("approve"), None);
        assert_eq!(Press::of("approvals.vote."), None);
    }
}
