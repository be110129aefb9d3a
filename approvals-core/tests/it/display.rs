//! What reviewers see of awkward arguments.
