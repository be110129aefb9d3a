//! Action-level approvals.

pub mod canonical;
pub mod text;
