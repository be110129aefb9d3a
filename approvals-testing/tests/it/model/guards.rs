//! A store that leaves one of its guards out, each caught: where commands are judged on old
//! snapshots, the exploration needs every one of them.

use super::mutants::caught;
use super::stored::Guard;
use super::truth::Breach;
use super::world::{May, Setting, Through};

fn without(guard: Guard) -> Setting {
    let may = May {
        freeze: true,
        ..May::default()
    };
    Setting::one_stage(Through::Store(Some(guard)), may)
}

#[test]
fn the_model_catches_a_store_that_swaps_whatever_stands() {
    caught(without(Guard::Revision), Breach::AfterEnd);
}

#[test]
fn the_model_catches_a_store_that_takes_a_vote_too_late() {
    caught(without(Guard::Time), Breach::LateVote);
}

#[test]
fn the_model_catches_a_store_that_starts_too_late() {
    caught(without(Guard::Time), Breach::WithoutClaim);
    caught(without(Guard::Time), Breach::AfterExecuteBy);
}

#[test]
fn the_model_catches_a_store_that_starts_while_frozen() {
    caught(without(Guard::Freeze), Breach::WhileFrozen);
}
