//! The Teams channel against a stand-in for Microsoft.
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
mod conversations;
mod end_to_end;
mod failures;
mod keys;
mod linking;
mod network;
mod pace;
mod package;
mod reach;
mod room;
mod routes;
#[path = "../../../approvals-slack/tests/stand_in/serve.rs"]
mod serve;
mod strays;
mod tokens;
mod tokens_again;
mod workflow;
