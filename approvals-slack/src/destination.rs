//! Where a request is posted, and whom the message calls.

use crate::id::{ConversationId, SlackIdError, UserGroupId, UserId};
use crate::message::Mention;

/// Where a request is posted, and whom the message calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub(crate) place: Place,
    pub(crate) calls: Vec<Mention>,
    pub(crate) calls_reviewers: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Conversation(ConversationId),
    User(UserId),
    GroupMembers(UserGroupId),
    Reviewers,
}

impl Destination {
    const fn at(place: Place) -> Self {
        Self {
            place,
            calls: Vec::new(),
            calls_reviewers: false,
        }
    }

    /// A channel, by its id. The app has to be a member of it.
    ///
    /// # Errors
    /// [`SlackIdError`] when it is not the id of one: a name like `#ops` is not.
    pub fn channel(id: &str) -> Result<Self, SlackIdError> {
        Ok(Self::at(Place::Conversation(ConversationId::new(id)?)))
    }

    /// A direct message to one user.
    ///
    /// # Errors
    /// [`SlackIdError`] when it is not the id of one.
    pub fn user(id: &str) -> Result<Self, SlackIdError> {
        Ok(Self::at(Place::User(UserId::new(id)?)))
    }

    /// A direct message to each member of a user group, as Slack lists them when the request is
    /// posted. Whether they may vote is the directory's to say.
    ///
    /// # Errors
    /// [`SlackIdError`] when it is not the id of one.
    pub fn members_of(group: &str) -> Result<Self, SlackIdError> {
        Ok(Self::at(Place::GroupMembers(UserGroupId::new(group)?)))
    }

    /// A direct message to everybody who is asked, as the directory lists them and knows them on
    /// this channel.
    #[must_use]
    pub const fn reviewers() -> Self {
        Self::at(Place::Reviewers)
    }

    /// Has the message call this user group.
    ///
    /// # Errors
    /// [`SlackIdError`] when it is not the id of one.
    pub fn calling_group(mut self, group: &str) -> Result<Self, SlackIdError> {
        self.calls.push(Mention::Group(UserGroupId::new(group)?));
        Ok(self)
    }

    /// Has the message call everybody who is asked, as the directory knows them on this channel.
    #[must_use]
    pub const fn calling_reviewers(mut self) -> Self {
        self.calls_reviewers = true;
        self
    }
}

/// Which request goes where.
///
/// ```
/// use approvals_core::Risk;
/// use approvals_slack::{Destination, Route, Routes};
///
/// let routes = Routes::new()
///     .to(
///         Route::all().policy("prod-db")?.at_least(Risk::High),
///         [Destination::channel("C0PRODDB")?.calling_group("S0ONCALL")?],
///     )
///     .to(Route::all().between(20, 6)?, [Destination::reviewers()])
///     .to(Route::all(), [Destination::channel("C0APPROVALS")?]);
/// # let _ = routes;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Routes = approvals_channel::Routes<Destination>;
