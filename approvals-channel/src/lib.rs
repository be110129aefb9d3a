//! What channels to chat services share, so that it is written once.
//!
//! A channel that posts messages with buttons turns a presentation into [`Paragraph`]s ([`Facts`],
//! laid out by [`pages`], and [`progress`]), writes them as [`Json`], finds out where a request goes
//! ([`Routes`], [`audience`]), posts when its turn has come ([`Schedule`]) and goes on from there
//! ([`Posts`]): messages show what becomes of the request, others are asked, people are reminded.
//! What a button stands for is in [`ballot`], how an account is linked by a code in [`linking`], who
//! somebody is by their address in [`ByEmail`], the way out over HTTP is [`Http`].
//!
//! This is no channel and knows no service. It is for whoever writes one.

mod attempts;
pub mod audience;
pub mod ballot;
mod by_email;
mod copies;
mod facts;
mod following;
mod http_client;
mod json;
mod link;
pub mod linking;
pub mod pages;
pub mod progress;
mod routes;
mod schedule;
mod unheard;
mod writing;

pub use attempts::{Attempts, Turn};
pub use by_email::{Accounts, ByEmail, DomainError};
pub use copies::{Copy, Handle, Memory};
pub use facts::Facts;
pub use following::{Posts, Saying, Target, Targets, Unposted, follow, latest, present, take_in};
pub use http_client::{Http, HttpError, Https, retry_after, send_within};
pub use json::{Json, Written, holds};
pub use link::{LinkError, PageLink};
pub use routes::{HoursError, Route, Routes};
pub use schedule::{Pace, Rank, Schedule, Window};
pub use unheard::{Copies, Unheard};
pub use writing::{Kind, Paragraph, Piece, Style, Text, label, room, units, within};
