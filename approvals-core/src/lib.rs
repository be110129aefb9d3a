//! Action-level approvals.

pub mod canonical;
pub mod secrets;
pub mod text;
