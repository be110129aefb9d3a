//! The Slack channel: the request where people already are, one click to answer.
//!
//! A request is posted as a Block Kit message with everything that
//! [`Presentation`](approvals_core::Presentation) holds; what does not fit follows in its thread, and
//! the buttons come when all of it is there. Where it cannot be shown whole, they give way to a link.
//! Text from outside stands only in elements that cannot be markup.
//!
//! Clicks come as callbacks. [`Slack::respond`] takes each as [`http::Request`] with its raw body,
//! from whatever serves HTTP, verifies Slack's signature, answers at once, and does the rest after
//! that: asks Slack whether the user is a member, hands the vote to the channel's
//! [`desk`](approvals_core::ChannelDesk), and tells whoever may not vote why, privately. The
//! directory says which person a user is: a channel identity is (channel, workspace or organisation,
//! user id).
//!
//! An account is linked to a person by a one-time code, which its user sends with the app's command:
//! `/approvals link`, and the code.
//!
//! With the feature `socket-mode`, `Slack::listen` takes callbacks over a connection that goes out.
//!
//! [`SlackBuilder`] makes the channel, [`Routes`] say which request goes where.

mod addresses;
mod api;
mod block;
mod builder;
mod button;
mod callback;
mod channel;
mod checking;
mod click;
mod command;
mod destination;
mod endpoints;
mod error;
mod form;
mod id;
mod message;
mod method;
mod pace;
mod payload;
mod people;
mod posting;
mod reach;
mod replay;
mod signature;
#[cfg(feature = "socket-mode")]
mod socket;
mod unheard;

pub use approvals_channel::{
    ByEmail, DomainError, HoursError, Http, HttpError, Https, LinkError, Route,
};
pub use builder::{SettingsError, SlackBuilder};
pub use callback::{MOST_CALLBACK_BYTES, Received, Work};
pub use channel::Slack;
pub use checking::CheckError;
pub use destination::{Destination, Routes};
pub use endpoints::{EndpointError, Endpoints};
pub use id::{AppId, ConversationId, EnterpriseId, SlackIdError, TeamId, UserGroupId, UserId};
pub use people::Installation;
pub use signature::{SecretError, SigningSecrets};
