//! Hostile callbacks by the thousand, and how much is allocated for them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../it/room.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod room;
#[path = "../stand_in/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod stand_in;
mod target;

use std::alloc::System;

use approvals_testing::mutation::Mutations;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use target::Target;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, since what is allocated is counted for the whole process.
#[test]
fn no_bytes_make_the_teams_channel_panic_accept_what_is_unsigned_or_allocate_beyond_bounds() {
    let target = Target::new();
    let bodies = target.bodies();
    // What is spoilt below is worth something as long as it is whole.
    let whole = format!("{}{}", target.token_parts(), bodies[0]);
    target.signed_by_another(whole.as_bytes());
    assert_eq!(target.votes(), 0);
    target.claimed(whole.as_bytes());
    assert_eq!(target.votes(), 1);
    target.clicked(&[1, 0, 0, 0]);
    assert_eq!(target.votes(), 0, "both agreed, and another is asked for");
    for filling in ["1,", "\"a\",", "{\"a\":\"\\n\"},", "[],"] {
        let votes = target.votes();
        target.signed(target.near_the_cap(filling).as_bytes());
        assert_eq!(target.votes(), 1, "{filling} after {votes}");
    }
    replay(&target);
    let mut mutations = Mutations::seeded(20_260_131);
    for round in 0..300 {
        let body = &bodies[round % 3];
        let unsigned = format!("{}{body}", target.authorization());
        target.unsigned(&mutations.spoil(unsigned.as_bytes()));
        let parts = mutations.spoil(target.token_parts().as_bytes());
        target.signed_by_another(&parts);
        target.claimed(&[&parts[..], b"\n", body.as_bytes()].concat());
        target.signed(&mutations.spoil(body.as_bytes()));
        target.clicked(&mutations.spoil(b"0123 because"));
    }
}

/// What a fuzzer begins with, and whatever was found by one and kept.
fn replay(target: &Target) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/teams_callback");
    let mut replayed = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        target.any(&std::fs::read(seed.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 20, "{replayed} seeds");
}
