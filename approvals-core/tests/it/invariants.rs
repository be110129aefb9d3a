//! The invariants, each by name, against the real gate.

mod late;
mod one_winner;
mod seats;
mod self_approval;
mod shown;
mod single_use;
mod yes;
