//! The log, held against implementations that nobody here wrote, against damage, and against
//! crashes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at what they did not expect"
)]

mod attack;
mod crash;
mod damage;
mod every;
mod keys;
mod log;
mod oracles;
mod proofs;
mod schema;
mod sensitive;
mod shared;
mod support;
mod verifier;
mod witness;
mod words;
