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

use target::{Target, bodies, near_the_cap};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, since what is allocated is counted for the whole process.
#[test]
fn no_bytes_make_the_slack_channel_panic_act_unsigned_or_allocate_beyond_bounds() {
    let target = Target::new();
    // What is spoilt below is worth something as long as it is whole.
    target.signed(bodies()[0].as_bytes(), true);
    assert_eq!(target.votes(), 1);
    target.clicked(&[1, 0, 0, 0]);
    assert_eq!(target.votes(), 0, "both agreed, and another is asked for");
    for filling in [
        "1%2C",
        "%22a%22%2C",
        "%7B%22a%22%3A%22%5Cn%22%7D%2C",
        "%5B%5D%2C",
    ] {
        let votes = target.votes();
        target.signed(near_the_cap(filling).as_bytes(), true);
        assert_eq!(target.votes(), 1, "{filling} after {votes}");
    }
    replay(&target);
    let mut mutations = Mutations::seeded(20_260_131);
    for round in 0..900 {
        let body = bodies()[round % 4].clone();
        let headed = format!(
            "x-slack-request-timestamp: 1769860800\nx-slack-signature: v0={}\n\
             content-type: application/x-www-form-urlencoded\n\n{body}",
            "a".repeat(64)
        );
        target.unsigned(&mutations.spoil(headed.as_bytes()));
        target.signed(&mutations.spoil(body.as_bytes()), round % 4 != 3);
        let mut otherwise = vec![u8::try_from(round % 256).unwrap()];
        otherwise.extend(body.as_bytes());
        target.signed_otherwise(&otherwise);
        target.clicked(&mutations.spoil(b"0123 because"));
    }
}

/// What a fuzzer begins with, and whatever was found by one and kept.
fn replay(target: &Target) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/slack_callback");
    let mut replayed = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        target.any(&std::fs::read(seed.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 20, "{replayed} seeds");
}
