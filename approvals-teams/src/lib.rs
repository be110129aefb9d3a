//! The Teams channel: the request where people already are, one click to answer.
//!
//! A request is posted as an Adaptive Card with everything that
//! [`Presentation`](approvals_core::Presentation) holds. Where it cannot be shown whole, the buttons
//! give way to a link. Text from outside stands only in elements that cannot be markup.
//!
//! Clicks come as callbacks. [`Teams::respond`] takes each as [`http::Request`] with its raw body,
//! from whatever serves HTTP, verifies the Bot Framework's token, asks Teams who clicked, hands the
//! vote to the channel's [`desk`](approvals_core::ChannelDesk), and answers whoever clicked with the
//! card as it is by now, or says to them alone why they may not vote. The directory says which person
//! a user is: a channel identity is (channel, tenant, object id).
//!
//! An account is linked to a person by a one-time code, which its user sends to the bot in a chat of
//! their own: `link`, and the code. A code that is sent where others read it is ended.
//!
//! [`TeamsBuilder`] makes the channel, [`Routes`] say which request goes where. [`Workflow`] is for
//! places that no bot may be installed in: it tells of requests, with a link and without buttons.

mod activity;
mod addresses;
mod api;
mod builder;
mod button;
mod callback;
mod card;
mod channel;
mod click;
mod cloud;
mod conversations;
mod credential;
mod destination;
mod element;
mod error;
mod id;
mod keys;
mod linking;
mod message;
mod pace;
mod people;
mod posting;
mod reach;
mod service;
mod token;
mod unheard;
mod verified;
mod weight;
mod workflow;

pub use approvals_channel::{
    ByEmail, DomainError, HoursError, Http, HttpError, Https, LinkError, Route,
};
pub use builder::{SettingsError, TeamsBuilder};
pub use callback::MOST_CALLBACK_BYTES;
pub use channel::{CheckError, Teams};
pub use cloud::{Cloud, CloudError};
pub use conversations::{
    Conversation, Conversations, ConversationsError, ConversationsFile, InMemoryConversations,
};
pub use destination::{Destination, Routes};
pub use id::{AppId, ConversationId, TeamsIdError, TenantId, UserId};
pub use workflow::{Workflow, WorkflowError};
