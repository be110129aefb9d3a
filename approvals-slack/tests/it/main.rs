//! The Slack channel against a stand-in for Slack.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../stand_in/mod.rs"]
mod stand_in;

mod by_email;
mod callbacks;
mod conformance;
mod end_to_end;
mod failures;
mod forms;
mod linking;
mod long_requests;
mod manifest;
mod network;
mod pace;
mod partly;
mod reach;
mod room;
mod routes;
#[cfg(feature = "socket-mode")]
mod socket_mode;
mod two_channels;
