//! What reviewers see of awkward arguments.

pub(crate) mod fixture;
mod forged;
pub(crate) mod hostile;
mod large;
mod numbers;
mod secrets;
