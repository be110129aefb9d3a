//! Integration tests of `approvals-core`: one binary, a module per subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod concurrency;
mod dependencies;
mod display;
mod durable;
mod fail_closed;
mod forms;
mod invariants;
mod matrix;
mod observed;
mod pitfalls;
mod smoke;
mod stacks;
mod support;
mod tidy;
