//! The suites, run against the in-memory adapters.
