//! Runs the quickstart and looks at what is left in the database and the files; asks on two channels
//! at once.
#![expect(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

#[path = "../../quickstart/main.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod quickstart;

mod left_behind;
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
