//! The suites, run against the in-memory adapters; what becomes of a gate whose parts fail.

mod broken;
mod memory;
mod sweep;
