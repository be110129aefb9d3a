//! What the attribute accepts and refuses, seen from a user's crate.

mod ui;
