//! The Slack channel against a stand-in for Slack.

#[path = "../stand_in/mod.rs"]
mod stand_in;

mod conformance;
mod end_to_end;
mod room;
