//! Slack's ids: opaque, and never anything that could be markup.

use std::fmt;
use std::sync::Arc;

/// A text that is no id of Slack's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: copy it from Slack, it looks like `{example}`")]
pub struct SlackIdError {
    what: &'static str,
    text: String,
    example: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, $first:pat) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`SlackIdError`] when it is not capital letters and digits after the right first one.
            pub fn new(text: &str) -> Result<Self, SlackIdError> {
                let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
                let right = matches!(text.bytes().next(), Some($first))
                    && (2..=64).contains(&text.len())
                    && text.bytes().all(plain);
                if right {
                    return Ok(Self(text.into()));
                }
                Err(SlackIdError { what: $what, text: text.to_owned(), example: $example })
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
    /// A channel, private channel or direct message.
    ConversationId, "the id of a conversation", "C0123456789", b'C' | b'G' | b'D'
);
id!(
    /// A user.
    UserId, "the id of a user", "U0123456789", b'U' | b'W'
);
id!(
    /// A user group.
    UserGroupId, "the id of a user group", "S0123456789", b'S'
);
id!(
    /// An app.
    AppId, "the id of an app", "A0123456789", b'A'
);
id!(
    /// A workspace.
    TeamId, "the id of a workspace", "T0123456789", b'T'
);
id!(
    /// An organisation of workspaces (Enterprise Grid).
    EnterpriseId, "the id of an organisation", "E0123456789", b'E'
);
