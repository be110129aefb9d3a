//! What outlives whoever began it: requests, messages that are still to be posted, and the work
//! that some replica has to do.

mod delivery;
mod duties;
mod resume;
mod support;
