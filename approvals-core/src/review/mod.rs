//! The review engine: one record per request, changed only by the pure [`apply`].

mod admit;
mod apply;
mod command;
mod record;
mod refused;
mod seating;
mod state;
mod vote;

pub use admit::{Admission, Bucket, Limits, Opening, Refusal, Standing, admit, keyed, stands};
pub use apply::{Transition, apply};
pub use command::{ClaimNow, Command, VoterNow, WithdrawnBy};
pub(crate) use record::groups_of;
pub use record::{Asked, Grant, Progress, Record, SCHEMA};
pub use refused::Refused;
pub use state::{Claim, Phase, State};
pub use vote::{Ballot, Choice, Proposal, Seat, Vote};
