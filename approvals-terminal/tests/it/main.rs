//! The terminal channel, driven without a terminal.

mod answers;
mod house;
mod queue;
mod shown;
mod stages;
