//! Hostile callbacks by the thousand, and how much is allocated for them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod target;

use std::alloc::System;

use approvals_slack::MOST_CALLBACK_BYTES;
use approvals_testing::mutation::Mutations;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use target::{Target, bodies};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, since what is allocated is counted for the whole process.
#[test]
fn no_bytes_make_the_slack_channel_panic_act_unsigned_or_allocate_beyond_bounds() {
    let target = Target::new();
    let mut mutations = Mutations::seeded(20_260_131);
    for round in 0..3_000 {
        let body = bodies()[round % 4].clone();
        let headed = format!(
            "1769860800\nv0={}\napplication/x-www-form-urlencoded\n{body}",
            "a".repeat(64)
        );
        let spoilt = mutations.spoil(headed.as_bytes());
        let region = Region::new(ALLOCATOR);
        target.unsigned(&spoilt);
        let allocated = region.change().bytes_allocated;
        assert!(allocated <= MOST_CALLBACK_BYTES, "{allocated} bytes");

        let spoilt = mutations.spoil(body.as_bytes());
        let kind = match round % 4 {
            3 => "application/json",
            _ => "application/x-www-form-urlencoded",
        };
        let region = Region::new(ALLOCATOR);
        target.signed(&spoilt, kind);
        let allocated = region.change().bytes_allocated;
        let most = 64 * spoilt.len() + 512 * 1024;
        assert!(allocated <= most, "{allocated} bytes for {}", spoilt.len());
    }
}
