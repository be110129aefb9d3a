//! What pressing a button does, and the buttons themselves.

use approvals_channel::Json;
use approvals_channel::ballot::{Seen, choice, choices, title, wants_code, wants_comment, word};
use approvals_core::{Choice, Record};

use crate::block::{BlockId, Button, Does, actions};

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
    /// The button's id: two parts of one word.
    pub(crate) const fn parts(self) -> [&'static str; 2] {
        match self {
            Self::Vote(choice) => [VOTE, word(choice)],
            Self::Form(choice) => [FORM, word(choice)],
            Self::Link => [LINK, ""],
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

/// The buttons of a request that is shown whole; none where there is nothing more to say.
pub(crate) fn buttons(json: &mut Json, id: BlockId, record: &Record) {
    let choices = choices(record);
    if choices.is_empty() {
        return;
    }
    let seen = Seen::of(record).written();
    let button = |(index, choice)| {
        let form = choice == Choice::Deny
            || wants_comment(record, choice)
            || wants_code(record.asked.risk, choice);
        let press = if form {
            Press::Form(choice)
        } else {
            Press::Vote(choice)
        };
        let style = match choice {
            Choice::Approve | Choice::Confirm if index == 0 => Some("primary"),
            Choice::Deny => Some("danger"),
            Choice::Approve | Choice::Confirm | Choice::BreakGlass | Choice::Withdrawn => None,
        };
        Button {
            action_id: press.parts(),
            text: title(choice),
            does: Does::Tell {
                style,
                value: &seen,
            },
        }
    };
    let all = choices.into_iter().enumerate().map(button);
    actions(json.ours(","), id, all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_press_is_known_by_its_id() {
        for choice in ["approve", "deny", "confirm", "break_glass", "take_back"] {
            let choice = super::choice(choice).unwrap();
            for press in [Press::Vote(choice), Press::Form(choice), Press::Link] {
                assert_eq!(Press::of(&press.parts().concat()), Some(press));
            }
        }
        assert_eq!(Press::of("approve"), None);
        assert_eq!(Press::of("approvals.vote."), None);
    }
}
