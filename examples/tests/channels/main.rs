//! Asks on two channels at once. A program of its own: a gate that is installed, as the quickstart's
//! is, has to know the policy of every guarded function that the program holds.
#![expect(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

mod people_of_a_file;
mod two_channels;

#[path = "../../../approvals-slack/tests/stand_in/mod.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    reason = "a stand-in is for tests, which stop at what they did not expect"
)]
mod slack_stand_in;
#[path = "../../../approvals-teams/tests/stand_in/mod.rs"]
#[expect(
    dead_code,
    clippy::indexing_slicing,
    reason = "a stand-in is for tests, which stop at what they did not expect"
)]
mod teams_stand_in;
