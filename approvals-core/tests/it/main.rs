//! Integration tests of `approvals-core`: one binary, a module per subject.

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
