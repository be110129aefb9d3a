//! The log, held against implementations that nobody here wrote, against damage, and against
//! crashes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod attack;
mod commands;
mod crash;
mod damage;
mod delivery;
mod every;
mod evidence;
mod exports;
mod forged;
mod forged_entries;
mod forged_grants;
mod forging;
mod form;
mod head;
mod keys;
mod kinds;
mod log;
mod marked;
mod mini_witness;
mod oracles;
mod proofs;
#[cfg(feature = "index")]
mod questions;
mod refusing;
mod schema;
mod secrets;
mod sensitive;
mod shared;
mod stepping;
mod stories;
mod support;
mod verifier;
mod witness;
#[cfg(feature = "https")]
mod witness_https;
mod words;
