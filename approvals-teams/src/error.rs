//! What a failed call of the Connector means for whoever made it.

use std::time::Duration;

use approvals_core::ApproverError;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} failed: {why}")]
pub(crate) struct ApiError {
    pub(crate) what: &'static str,
    pub(crate) class: Class,
    pub(crate) why: String,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It was too often, or something else happened in the same conversation: Teams did nothing, and
    /// it is good later.
    Limited(Duration),
    /// It may be better later. Teams may have acted all the same.
    Later,
    /// The bot's token is not good any more: a new one may be.
    Token,
    /// The bot's own settings, or its registration. An operator has to act.
    Credential,
    /// There is nothing to post to, or not for this bot, until somebody installs it there.
    Destination,
    /// The message that was to be changed is not there.
    Message,
    /// What was sent is not in order. It never will be.
    Refused,
}

/// Teams' own bound on how long it asks to wait is not known; longer is not believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long to wait where it does not say.
const USUAL_PAUSE: u64 = 2;

/// How long to leave it alone that asks for so many seconds.
pub(crate) fn believed(seconds: u64) -> Duration {
    Duration::from_secs(seconds.max(1)).min(LONGEST_PAUSE)
}

impl Class {
    /// What a status and a code mean.
    pub(crate) fn of(status: u16, code: &str, pause: Option<u64>) -> Self {
        match (status, code) {
            (429 | 412, _) => Self::Limited(believed(pause.unwrap_or(USUAL_PAUSE))),
            (401, "BotNotRegistered") => Self::Credential,
            (401, _) => Self::Token,
            // Something between Teams and here answered.
            (_, "") => Self::Later,
            (404, "ActivityNotFoundInConversation") => Self::Message,
            (403 | 404, _) => Self::Destination,
            // Documented as not to be tried again. Without its code it is of something in between.
            (500, "ServiceError") => Self::Refused,
            (408 | 500..=599, _) => Self::Later,
            _ => Self::Refused,
        }
    }
}

impl ApiError {
    /// The same of a message that is there: only where it is gone, or out of reach, trying again is
    /// pointless. A secret that was changed is good again when an operator has seen to it, and until
    /// then the message shows what no longer stands.
    pub(crate) fn of_a_message(self) -> ApproverError {
        match self.class {
            Class::Destination | Class::Message => ApproverError::gone(self.to_string()),
            Class::Limited(_)
            | Class::Later
            | Class::Token
            | Class::Credential
            | Class::Refused => ApproverError::new(self.to_string()),
        }
    }
}

impl From<ApiError> for ApproverError {
    fn from(error: ApiError) -> Self {
        match error.class {
            Class::Limited(_) | Class::Later => Self::new(error.to_string()),
            Class::Token
            | Class::Credential
            | Class::Destination
            | Class::Message
            | Class::Refused => Self::for_good(error.to_string()),
        }
    }
}
