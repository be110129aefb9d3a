//! The invariants, each by name, against the real gate.

mod break_glass;
mod cancelled;
mod freeze;
mod keys;
mod late;
mod limits;
mod one_commit;
mod one_commit_in_time;
mod one_winner;
mod recorded;
mod refusals;
mod reuse;
mod scope;
mod seats;
mod self_approval;
mod sensitive;
mod shown;
mod single_use;
mod tighten;
mod valid_now;
mod votes;
mod yes;
