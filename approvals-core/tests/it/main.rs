//! Integration tests of `approvals-core`: one binary, a module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails where it cannot go on, and nothing of it is public"
)]

mod bad_input;
mod concurrency;
mod dependencies;
mod display;
mod fail_closed;
mod invariants;
mod matrix;
mod pitfalls;
mod smoke;
mod stacks;
mod support;
mod tidy;
