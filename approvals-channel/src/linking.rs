//! Linking an account with a one-time code: what somebody typed, and what they are told.

use std::time::Duration;

use approvals_core::{LinkRefused, PersonId};
use secrecy::SecretString;

use crate::attempts::Attempts;

/// The word before the code.
const WORD: &str = "link";

/// Within ten minutes, which is how long a code is usually good: five attempts of one account, and
/// sixty of all. A code cannot be guessed; what is limited is how often somebody has the vendor
/// asked and the links read.
const EACH: u32 = 5;
const ALL: u32 = 60;
const WITHIN: Duration = Duration::from_secs(600);

/// A code that somebody sent; `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct SentCode(pub SecretString);

impl SentCode {
    /// The code in `link 7K2QX-…`; nothing where that is not what was written.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (word, code) = text.split_once(char::is_whitespace)?;
        let code = code.trim();
        let is_link = word.eq_ignore_ascii_case(WORD) && !code.is_empty();
        is_link.then(|| Self(code.into()))
    }
}

/// How often codes are taken.
#[must_use]
pub fn attempts<K: Eq + std::hash::Hash>() -> Attempts<K> {
    Attempts::new(EACH, ALL, WITHIN)
}

/// What whoever sent a code is told: a heading, and what follows it. Whom the account is linked to
/// stands in it, so that somebody who was talked into sending another person's code sees it.
#[must_use]
pub fn told(linked: &Result<PersonId, LinkRefused>) -> (&'static str, String) {
    match linked {
        Ok(person) => (
            "This account is linked.",
            format!("You are {person} here from now on. If that is not you, tell an operator now."),
        ),
        Err(why) => (NOT_LINKED, format!("{why}.")),
    }
}

/// What an answer is headed by after which nothing is linked.
pub const NOT_LINKED: &str = "This account was not linked.";

/// What whoever tries without end is told.
pub const TOO_OFTEN: &str = "You have tried often: wait ten minutes.";

/// What whoever sends a code where others read it is told, when the code is ended.
pub const SPENT: &str = "Others can read a code that is sent here, so it is not good any more: ask \
    for a new one, and send it to me in a chat of our own.";

/// The same where it is not known whether the code was ended.
pub const NOT_SPENT: &str = "Others can read a code that is sent here, and it could not be ended: \
    tell an operator now, and ask for a new one.";

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_code_stands_after_one_word_and_is_never_shown() {
        for text in ["link 7K2QX-1", "  LINK\t7K2QX-1 ", "Link \n 7K2QX-1\n"] {
            let sent = SentCode::of(text).unwrap();
            assert_eq!(sent.0.expose_secret(), "7K2QX-1");
            assert!(!format!("{sent:?}").contains("7K2QX"));
        }
        for text in [
            "",
            "link",
            "link ",
            "7K2QX-1",
            "linked 7K2QX-1",
            "please link 7K2QX-1",
        ] {
            assert!(SentCode::of(text).is_none(), "{text}");
        }
    }
}
