//! Short runs of what the command runs for longer, and of the harness with something wrong in it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod crash;
mod flaws;
mod log;
mod races;
mod support;
