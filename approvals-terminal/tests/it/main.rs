//! The terminal channel, driven without a terminal.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod answers;
mod house;
mod queue;
mod shown;
mod stages;
mod tty;
