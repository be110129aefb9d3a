//! The SQLite store, from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod archive;
mod conformance;
mod durable;
mod faults;
mod gate;
mod killed;
mod shared;
mod support;
mod sweep;
mod upgrading;
mod versions;
