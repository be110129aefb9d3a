//! Witnesses, who sign that a log only grew, and copies of checkpoints elsewhere: whoever has the
//! log's key cannot rewrite what they have seen.

mod client;
mod copies;
#[cfg(feature = "https")]
mod https;
mod publisher;

pub use self::client::{Answer, Transport, TransportError, Witness, WitnessError};
pub use self::copies::{CheckpointFile, CheckpointSink};
#[cfg(feature = "https")]
pub use self::https::HttpsTransport;
pub use self::publisher::{Published, Publisher};
