//! The `#[requires_approval]` attribute.
