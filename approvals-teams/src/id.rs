//! Microsoft's ids, in one form each.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A text that is no id of Microsoft's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: it looks like `{example}`")]
pub struct TeamsIdError {
    what: &'static str,
    text: String,
    example: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`TeamsIdError`] when it is not in the form of one.
            pub fn new(text: &str) -> Result<Self, TeamsIdError> {
                let read: fn(&str) -> Option<Cow<'_, str>> = $read;
                match read(text) {
                    Some(id) => Ok(Self(Arc::from(&*id))),
                    None => Err(TeamsIdError {
                        what: $what,
                        text: text.chars().take(200).collect(),
                        example: $example,
                    }),
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The bot's application id.
    AppId, "an application id", "00000000-0000-0000-0000-00000000abcd", guid
);
id!(
    /// A Microsoft Entra tenant.
    TenantId, "the id of a tenant", "22222222-0000-0000-0000-000000000000", guid
);
id!(
    /// A user's object id in Microsoft Entra.
    UserId, "the object id of a user", "11111111-0000-0000-0000-000000000000", guid
);
id!(
    /// A channel of a team, a group chat or a personal chat.
    ConversationId, "the id of a conversation", "19:abc@thread.tacv2", conversation
);

/// In lower case, so that one account has one id.
fn guid(text: &str) -> Option<Cow<'_, str>> {
    let mut groups = text.split('-');
    let sizes = [8, 4, 4, 4, 12];
    let right = sizes.iter().all(|size| {
        groups.next().is_some_and(|group| {
            group.len() == *size && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
    });
    let is_one = right && groups.next().is_none();
    is_one.then(|| match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    })
}

/// Opaque, but a part of an address and of log lines.
fn conversation(text: &str) -> Option<Cow<'_, str>> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\');
    let right = (2..=512).contains(&text.len()) && text.bytes().all(plain);
    right.then_some(Cow::Borrowed(text))
}

impl ConversationId {
    /// The same as an id.
    pub(crate) fn whole(&self) -> Option<Self> {
        let whole = self.without_thread();
        match whole.len() == self.0.len() {
            true => Some(self.clone()),
            false => Self::new(whole).ok(),
        }
    }

    /// The conversation that this is a thread of, or itself.
    pub(crate) fn without_thread(&self) -> &str {
        let mut semicolons = self.0.match_indices(';');
        let at = semicolons.find(|(at, _)| {
            let rest = self.0.get(*at..);
            rest.is_some_and(|rest| rest.starts_with(";messageid="))
        });
        let before = at.and_then(|(at, _)| self.0.get(..at));
        before.unwrap_or(&self.0)
    }
}

/// The user id of a bot in an activity.
pub(crate) fn bot(app: &AppId) -> String {
    format!("28:{app}")
}

/// Whether this is the user id of a bot in an activity, in whatever case it is written.
pub(crate) fn is_bot(id: &str, app: &AppId) -> bool {
    let own = id.strip_prefix("28:");
    own.is_some_and(|id| id.eq_ignore_ascii_case(app.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_has_one_id_and_nothing_else_is_one() {
        let id = UserId::new("3F2504E0-4F89-41D3-9A0C-0305E82C3301").unwrap();
        assert_eq!(id.as_str(), "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        for other in [
            "",
            "3f2504e0",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330",
            "3f2504e0-4f89-41d3-9a0c-0305e82c33011",
            "3f2504e04f8941d39a0c0305e82c3301",
            "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330g",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301-",
            "29:1bSn",
        ] {
            assert!(UserId::new(other).is_err(), "{other}");
        }
        let id = UserId::new("3f2504e0-4f89-41d3-9a0c-0305e82c3301").unwrap();
        assert_eq!(id.as_str(), "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        for (id, whole) in [
            ("19:a@thread.tacv2", "19:a@thread.tacv2"),
            ("19:a@thread.tacv2;messageid=1", "19:a@thread.tacv2"),
            ("19:a;x=1;messageid=1;messageid=2", "19:a;x=1"),
            ("19:a;message=1", "19:a;message=1"),
        ] {
            let id = ConversationId::new(id).unwrap();
            assert_eq!(id.without_thread(), whole);
            assert_eq!(id.whole().unwrap().as_str(), whole);
        }
        assert!(
            ConversationId::new(";messageid=1")
                .unwrap()
                .whole()
                .is_none()
        );
        let app = AppId::new("00000000-0000-0000-0000-00000000ABCD").unwrap();
        assert!(is_bot(&bot(&app), &app) && is_bot(&bot(&app).to_uppercase(), &app));
        for other in [
            "",
            "28:",
            app.as_str(),
            "29:00000000-0000-0000-0000-00000000abcd",
        ] {
            assert!(!is_bot(other, &app), "{other}");
        }
        for other in ["", "a b", "a\nb", "<at>x</at>", "é@x"] {
            assert!(ConversationId::new(other).is_err(), "{other}");
        }
    }
}
