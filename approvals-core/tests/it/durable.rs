//! What outlives whoever began it: requests, messages that are still to be posted, and the work
//! that some replica has to do.

mod archiving;
mod delivery;
mod duties;
mod faults;
mod gone;
mod local;
mod reminders;
mod resume;
mod returning;
mod sinks;
mod support;
