//! Linking an account: somebody sends the bot `link` and a one-time code, in a chat of their own.

use std::sync::Arc;

use approvals_channel::Turn;
use approvals_channel::linking::{NOT_LINKED, NOT_SPENT, SPENT, SentCode, TOO_OFTEN, told};
use secrecy::ExposeSecret;

use crate::activity::Account;
use crate::channel::Inner;
use crate::click::plain_words;
use crate::people::Place;

/// What somebody wrote that may be a code: who, where, and whether nobody else reads it.
pub(crate) struct Typed {
    pub(crate) place: Place,
    pub(crate) from: Account<'static>,
    pub(crate) code: SentCode,
    pub(crate) alone: bool,
}

impl Inner {
    /// Links the account from which a code was sent, and says in the chat what became of it. A code
    /// that others could read links nobody any more: whoever read it could send it from an account
    /// of theirs.
    pub(crate) async fn written(self: Arc<Self>, written: Typed) {
        let Typed {
            place,
            from,
            code,
            alone,
        } = written;
        // Whoever sends many is told once.
        let turn = self
            .links_tried
            .one_more(from.id.as_deref().map(str::to_owned));
        let words = match (alone, turn) {
            (false, turn) => {
                let spent = self.desk.spend_code(code.0.expose_secret()).await;
                if let Err(error) = &spent {
                    tracing::error!(%error, "a code that others could read was not ended");
                }
                match (spent, turn) {
                    (Ok(()), Turn::Ignored) => return,
                    (Ok(()), _) => plain_words(NOT_LINKED, SPENT),
                    (Err(_), _) => plain_words(NOT_LINKED, NOT_SPENT),
                }
            }
            (true, Turn::Taken) => self.link(&place, &from, &code).await,
            (true, Turn::TooMany) => plain_words(NOT_LINKED, TOO_OFTEN),
            (true, Turn::Ignored) => return,
        };
        self.say_to(&place, &words).await;
    }

    async fn link(&self, place: &Place, from: &Account<'_>, code: &SentCode) -> String {
        let clicker = self.people.clicker(place, from);
        let user = match clicker.await {
            Ok(clicker) => clicker.user,
            Err(why) => {
                tracing::warn!(%why, "a code of an account that may not be linked");
                return plain_words(NOT_LINKED, &format!("{why}."));
            }
        };
        let code = code.0.expose_secret();
        let linked = self.desk.link(self.tenant.as_str(), user.as_str(), code);
        let (heading, words) = told(&linked.await);
        plain_words(heading, &words)
    }
}

/// What somebody wrote to the bot, without the names by which they called it.
pub(crate) fn without_calls(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("<at") {
        plain.push_str(before);
        rest = match after.split_once("</at>") {
            Some((_, after)) => after,
            None => "",
        };
    }
    plain.push_str(rest);
    // As an editor of Teams has spaces.
    plain.replace("&nbsp;", " ").replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_beside_the_name_of_the_bot() {
        for text in [
            "link 7K2QX-7K2QX",
            "<at>Approvals</at> link 7K2QX-7K2QX",
            "<at id=\"0\">Approvals</at>&nbsp;link&nbsp;7K2QX-7K2QX\n",
            " Link\u{a0}7K2QX-7K2QX ",
        ] {
            let code = SentCode::of(&without_calls(text)).unwrap();
            assert_eq!(code.0.expose_secret(), "7K2QX-7K2QX", "{text}");
        }
        for text in ["hello", "<at>link 7K2QX", "<at>link</at> 7K2QX", ""] {
            assert!(SentCode::of(&without_calls(text)).is_none(), "{text}");
        }
    }
}
