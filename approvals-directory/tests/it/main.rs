//! The file-backed directory, from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod conformance;
mod example;
mod hostile;
mod linking;
mod linking_model;
mod linking_refused;
mod mistakes;
mod reloading;
mod support;
mod votes;
mod watching;
