//! The methods of Slack's Web API that are used, and what Slack publishes about how often.

use std::time::Duration;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Method {
    PostMessage,
    Update,
    PostEphemeral,
    ViewsOpen,
    UsersInfo,
    UsersLookupByEmail,
    GroupUsers,
    AuthTest,
    #[cfg(feature = "socket-mode")]
    ConnectionsOpen,
}

impl Method {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PostMessage => "chat.postMessage",
            Self::Update => "chat.update",
            Self::PostEphemeral => "chat.postEphemeral",
            Self::ViewsOpen => "views.open",
            Self::UsersInfo => "users.info",
            Self::UsersLookupByEmail => "users.lookupByEmail",
            Self::GroupUsers => "usergroups.users.list",
            Self::AuthTest => "auth.test",
            #[cfg(feature = "socket-mode")]
            Self::ConnectionsOpen => "apps.connections.open",
        }
    }

    /// Whether its arguments stand in the address: these take no JSON.
    pub(crate) const fn is_query(self) -> bool {
        matches!(
            self,
            Self::UsersInfo | Self::UsersLookupByEmail | Self::GroupUsers
        )
    }

    /// How often it may be called in a minute, in one workspace: its tier.
    pub(crate) const fn per_minute(self) -> usize {
        match self {
            // Its limits are of conversations and of the workspace: see `POSTS`.
            Self::PostMessage => usize::MAX,
            Self::GroupUsers => 20,
            Self::Update | Self::UsersLookupByEmail => 50,
            Self::PostEphemeral | Self::ViewsOpen | Self::UsersInfo => 100,
            Self::AuthTest => 100,
            #[cfg(feature = "socket-mode")]
            Self::ConnectionsOpen => 50,
        }
    }

    /// How long an answer is waited for. A trigger of a form is good for three seconds.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::ViewsOpen => Duration::from_millis(2_500),
            _ => Duration::from_secs(15),
        }
    }
}
