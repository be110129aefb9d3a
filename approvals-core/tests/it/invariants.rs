//! The invariants, each by name.
