//! Action-level approvals.
