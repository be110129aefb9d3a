//! Action-level approvals.

pub mod canonical;
