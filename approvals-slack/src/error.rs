//! What a failed call of the Web API means for whoever made it.

use std::time::Duration;

use approvals_core::ApproverError;

use crate::method::Method;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Slack's {} failed: {why}", .method.name())]
pub(crate) struct ApiError {
    pub(crate) method: Method,
    pub(crate) class: Class,
    pub(crate) why: String,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It was too often: Slack did nothing, and says when to come back.
    Limited(Duration),
    /// It may be better later. Slack may have acted all the same.
    Later,
    /// It may be better later, and Slack says that it did nothing.
    Undone,
    /// The app's token is not good for it. An operator has to act.
    Credential,
    /// There is nothing to post to, or not for this app. An operator has to act.
    Destination,
    /// The message that was to be changed is not there.
    Message,
    /// The message that was to be changed is there, and stays as it is.
    Fixed,
    /// The click is too long ago, or was used already: whoever clicked has to click again.
    Trigger,
    /// What was sent is not in order. It never will be.
    Refused,
}

/// Slack's own bound on how long it asks to wait is not known; longer is not believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

impl Class {
    /// What a code of Slack's means. Slack may send codes that it does not document: a status tells
    /// what to do about those.
    pub(crate) fn of(code: &str) -> Self {
        match code {
            "ratelimited" | "rate_limited" => Self::Limited(Duration::from_secs(1)),
            "internal_error" | "fatal_error" | "update_failed" => Self::Later,
            "service_unavailable"
            | "request_timeout"
            | "team_added_to_org"
            | "external_channel_migrating" => Self::Undone,
            "not_authed"
            | "invalid_auth"
            | "account_inactive"
            | "token_revoked"
            | "token_expired"
            | "not_allowed_token_type"
            | "missing_scope"
            | "no_permission"
            | "access_denied"
            | "accesslimited"
            | "org_login_required"
            | "ekm_access_denied"
            | "two_factor_setup_required"
            | "team_access_not_granted"
            | "app_access_restricted" => Self::Credential,
            "channel_not_found"
            | "not_in_channel"
            | "is_archived"
            | "is_inactive"
            | "user_not_in_channel"
            | "messages_tab_disabled"
            | "message_limit_exceeded"
            | "user_not_found"
            | "users_not_found"
            | "user_disabled"
            | "user_not_visible"
            | "too_many_users"
            | "users_list_not_supplied"
            | "invalid_user_combination"
            | "no_such_subteam"
            | "subteam_disabled" => Self::Destination,
            restricted if restricted.starts_with("restricted_action") => Self::Destination,
            "message_not_found" => Self::Message,
            "cant_update_message"
            | "edit_window_closed"
            | "block_mismatch"
            | "streaming_state_conflict" => Self::Fixed,
            "expired_trigger_id"
            | "exchanged_trigger_id"
            | "invalid_trigger_id"
            | "trigger_expired"
            | "trigger_exchanged" => Self::Trigger,
            _ => Self::Refused,
        }
    }

    /// How long it is waited where Slack asks for so many seconds, or does not say.
    pub(crate) fn pause(asked: Option<u64>) -> Duration {
        let pause = Duration::from_secs(asked.unwrap_or(1).max(1));
        pause.min(LONGEST_PAUSE)
    }
}

impl ApiError {
    /// Whether it may be better later.
    pub(crate) const fn is_later(&self) -> bool {
        match self.class {
            Class::Limited(_) | Class::Later | Class::Undone => true,
            Class::Credential
            | Class::Destination
            | Class::Message
            | Class::Fixed
            | Class::Trigger
            | Class::Refused => false,
        }
    }

    /// Whether Slack did nothing, since it was too early.
    pub(crate) const fn is_too_early(&self) -> bool {
        matches!(self.class, Class::Limited(_))
    }

    /// The same of a message that is there: only where it is gone, or out of reach, trying again is
    /// pointless. A token that was changed is good again when an operator has seen to it, and
    /// until then the message shows what no longer stands.
    pub(crate) fn of_a_message(self) -> ApproverError {
        match self.class {
            // Whoever sees an old message in an archived conversation cannot press its buttons.
            Class::Destination | Class::Message => ApproverError::gone(self.to_string()),
            Class::Fixed => ApproverError::for_good(self.to_string()),
            Class::Limited(_)
            | Class::Later
            | Class::Undone
            | Class::Credential
            | Class::Trigger
            | Class::Refused => ApproverError::new(self.to_string()),
        }
    }
}

impl From<ApiError> for ApproverError {
    fn from(error: ApiError) -> Self {
        if error.is_later() {
            Self::new(error.to_string())
        } else {
            Self::for_good(error.to_string())
        }
    }
}
