//! The invariants, each by name, against the real gate.

mod self_approval;
mod late;
mod one_winner;
mod seats;
mod shown;
mod single_use;
mod yes;
