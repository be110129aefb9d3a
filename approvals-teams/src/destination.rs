//! Where a request is posted, and whom the message calls.

use crate::id::{ConversationId, TeamsIdError, UserId};

/// Where a request is posted, and whom the message calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub(crate) place: Place,
    pub(crate) calls: Vec<UserId>,
    pub(crate) calls_reviewers: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A channel of a team: each request begins a thread.
    Channel(ConversationId),
    /// A group chat.
    Chat(ConversationId),
    /// The personal chat with a user.
    User(UserId),
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

    /// A channel of a team, by its id. The app has to be installed in the team.
    ///
    /// # Errors
    /// [`TeamsIdError`] when it is not the id of one: a name is not.
    pub fn channel(id: &str) -> Result<Self, TeamsIdError> {
        Ok(Self::at(Place::Channel(ConversationId::new(id)?)))
    }

    /// A group chat, by its id. The app has to be installed in it.
    ///
    /// # Errors
    /// [`TeamsIdError`] when it is not the id of one.
    pub fn chat(id: &str) -> Result<Self, TeamsIdError> {
        Ok(Self::at(Place::Chat(ConversationId::new(id)?)))
    }

    /// The personal chat with one user. The app has to be installed for them.
    ///
    /// # Errors
    /// [`TeamsIdError`] when it is not the object id of one.
    pub fn user(id: &str) -> Result<Self, TeamsIdError> {
        Ok(Self::at(Place::User(UserId::new(id)?)))
    }

    /// The personal chat with everybody who is asked, as the directory lists them and knows them on
    /// this channel.
    #[must_use]
    pub const fn reviewers() -> Self {
        Self::at(Place::Reviewers)
    }

    /// Has the message call this user.
    ///
    /// # Errors
    /// [`TeamsIdError`] when it is not the object id of one.
    pub fn calling(mut self, id: &str) -> Result<Self, TeamsIdError> {
        self.calls.push(UserId::new(id)?);
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
/// use approvals_teams::{Destination, Route, Routes};
///
/// let routes = Routes::new()
///     .to(
///         Route::all().policy("prod-db")?.at_least(Risk::High),
///         [Destination::channel("19:abc@thread.tacv2")?.calling_reviewers()],
///     )
///     .to(Route::all(), [Destination::reviewers()]);
/// # let _ = routes;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Routes = approvals_channel::Routes<Destination>;
