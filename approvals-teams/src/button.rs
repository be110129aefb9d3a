//! The buttons: what each carries, and what comes back when it is pressed.

use std::fmt;

use approvals_channel::ballot::{Seen, choice, choices, title, wants_code, wants_comment, word};
use approvals_channel::{Json, units};
use approvals_core::{Choice, Record};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::activity::Said;
use crate::element::{Execute, Input, actions};

/// What a button carries is under this name, so that no field can be taken for it.
const SEEN: &str = "approvals.seen";
const CHOICE: &str = "approvals.choice";
/// Where the comment is typed.
const COMMENT: &str = "approvals.comment";
/// Where the digest's short code is typed.
const CODE: &str = "approvals.code";
/// The longest comment.
const LONGEST: u16 = 3_000;

/// What came back with a press, of everything that may be there: texts, and nothing of what is none.
#[derive(Debug, Default)]
pub(crate) struct Carried<'a> {
    seen: Option<Said<'a>>,
    choice: Option<Said<'a>>,
    comment: Option<Said<'a>>,
    code: Option<Said<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Carried<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Carrying)
    }
}

struct Carrying;

impl<'de> Visitor<'de> for Carrying {
    type Value = Carried<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a button carries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut carried = Carried::default();
        while let Some(name) = map.next_key::<Said<'_>>()? {
            let place = match &*name {
                SEEN => &mut carried.seen,
                CHOICE => &mut carried.choice,
                COMMENT => &mut carried.comment,
                CODE => &mut carried.code,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value::<&RawValue>()?.get();
            // Whatever is no text stands for nothing; a text that is none spoils all of it.
            let text = value.starts_with('"').then(|| serde_json::from_str(value));
            *place = text.transpose().map_err(A::Error::custom)?;
        }
        Ok(carried)
    }
}

/// What somebody pressed, and typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pressed {
    pub(crate) seen: Seen,
    pub(crate) choice: Choice,
    pub(crate) comment: Option<String>,
    pub(crate) code: Option<String>,
}

impl Pressed {
    /// Reads what came back; `None` where it is not from one of our buttons. Whoever sends it may
    /// have written anything into it: believed no further than the desk checks.
    pub(crate) fn of(carried: &Carried<'_>) -> Option<Self> {
        let typed = |text: &Option<Said<'_>>| {
            let typed = text.as_deref().map(str::trim);
            typed.filter(|typed| !typed.is_empty()).map(str::to_owned)
        };
        Some(Self {
            seen: Seen::parse(carried.seen.as_deref()?)?,
            choice: choice(carried.choice.as_deref()?)?,
            comment: typed(&carried.comment),
            code: typed(&carried.code),
        })
    }

    /// Whether this is what that verb's button carries.
    pub(crate) fn is_of(&self, verb: &str) -> bool {
        self::verb(self.choice) == verb
    }

    /// What is missing, for whoever pressed. The card cannot hold this back by itself: its fields
    /// are the client's.
    pub(crate) fn missing(&self, record: &Record) -> Option<&'static str> {
        let code = wants_code(record.asked.risk, self.choice);
        if code && !approvals_channel::ballot::is_code(self.code.as_deref(), &self.seen) {
            return Some("Type the code of the call as it stands in the card, and press again.");
        }
        if wants_comment(record, self.choice) && self.comment.is_none() {
            return Some("A reason is required: type it above the buttons, and press again.");
        }
        if units(self.comment.as_deref().unwrap_or_default()) > LONGEST.into() {
            return Some("The reason is too long: at most 3,000 characters.");
        }
        None
    }
}

const fn verb(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approvals.approve",
        Choice::Deny => "approvals.deny",
        Choice::Confirm => "approvals.confirm",
        Choice::BreakGlass => "approvals.break_glass",
        Choice::Withdrawn => "approvals.take_back",
    }
}

/// Fields and buttons of a request that is shown whole, each after a comma; none where there is
/// nothing more to say.
pub(crate) fn buttons(json: &mut Json, record: &Record) {
    let choices = choices(record);
    if choices.is_empty() {
        return;
    }
    let code = Input {
        id: CODE,
        label: "To agree, type the code of the call",
        is_multiline: false,
        max_length: 20,
    };
    if choices.iter().any(|c| wants_code(record.asked.risk, *c)) {
        code.write(json.ours(","));
    }
    let comment = Input {
        id: COMMENT,
        label: match choices.iter().any(|c| wants_comment(record, *c)) {
            true => "Why (required for some answers); whoever asked reads it",
            false => "Why; whoever asked reads it",
        },
        is_multiline: true,
        max_length: LONGEST,
    };
    comment.write(json.ours(","));
    let seen = Seen::of(record).written();
    let all = choices.into_iter().enumerate();
    actions(json.ours(","), all, |json, (index, choice)| {
        let button = Execute {
            title: title(choice),
            style: match choice {
                Choice::Approve | Choice::Confirm if index == 0 => Some("positive"),
                Choice::Deny => Some("destructive"),
                Choice::Approve | Choice::Confirm | Choice::BreakGlass | Choice::Withdrawn => None,
            },
            verb: verb(choice),
            data: [(CHOICE, word(choice)), (SEEN, &seen)],
        };
        button.write(json);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use approvals_core::{Digest, RequestId};
    use serde_json::{Value, json};

    #[test]
    fn what_comes_back_is_read_and_a_field_cannot_replace_what_a_button_carries() {
        let seen = Seen {
            request: RequestId::from_bytes([7; 16]),
            revision: 2,
            digest: Digest::from_bytes([1; 32]),
            shown: Digest::from_bytes([2; 32]),
        };
        let data = json!({SEEN: seen.to_string(), CHOICE: "deny", COMMENT: " no ", CODE: ""});
        let read = |data: &Value| {
            let text = data.to_string();
            Pressed::of(&serde_json::from_str(&text).unwrap())
        };
        let pressed = read(&data).unwrap();
        assert_eq!(pressed.comment.as_deref(), Some("no"));
        assert_eq!(
            (pressed.seen, pressed.choice, &pressed.code),
            (seen, Choice::Deny, &None)
        );
        assert!(pressed.is_of("approvals.deny") && !pressed.is_of("approvals.approve"));
        // What is no text stands for nothing.
        let data = json!({SEEN: seen.to_string(), CHOICE: "deny", COMMENT: 7, CODE: [1]});
        let pressed = read(&data).unwrap();
        assert_eq!((pressed.comment, pressed.code), (None, None));
        for spoilt in [
            r#"{"approvals.comment":"\ud800"}"#,
            "[]",
            "7",
            "null",
            r#"["v1"]"#,
        ] {
            assert!(serde_json::from_str::<Carried<'_>>(spoilt).is_err());
        }
        assert!(![COMMENT, CODE].contains(&SEEN) && ![COMMENT, CODE].contains(&CHOICE));
        for other in [
            json!({}),
            json!({SEEN: seen.to_string()}),
            json!({SEEN: seen.to_string(), CHOICE: "refresh"}),
            json!({SEEN: 7, CHOICE: "deny"}),
            json!({SEEN: [seen.to_string()], CHOICE: "deny"}),
        ] {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
