//! Hostile callbacks by the thousand, and how much is allocated for them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../stand_in/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod stand_in;
mod target;

use std::alloc::System;

use approvals_teams::MOST_CALLBACK_BYTES;
use approvals_testing::mutation::Mutations;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use target::Target;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, since what is allocated is counted for the whole process.
#[test]
fn no_bytes_make_the_teams_channel_panic_accept_what_is_unsigned_or_allocate_beyond_bounds() {
    let target = Target::new();
    let bodies = target.bodies();
    // Keys are fetched once, and that is not what is measured.
    target.signed(b"{}");
    let mut mutations = Mutations::seeded(20_260_131);
    for round in 0..900 {
        let body = &bodies[round % 3];
        let unsigned = format!("{}{body}", target.authorization());
        let spoilt = mutations.spoil(unsigned.as_bytes());
        let region = Region::new(ALLOCATOR);
        target.unsigned(&spoilt);
        let allocated = region.change().bytes_allocated;
        assert!(
            allocated <= MOST_CALLBACK_BYTES + spoilt.len(),
            "{allocated} bytes"
        );

        let parts = mutations.spoil(target.token_parts().as_bytes());
        target.signed_by_another(&parts);

        let spoilt = mutations.spoil(body.as_bytes());
        let region = Region::new(ALLOCATOR);
        target.signed(&spoilt);
        let allocated = region.change().bytes_allocated;
        let most = 64 * spoilt.len() + 512 * 1024;
        assert!(allocated <= most, "{allocated} bytes for {}", spoilt.len());
    }
}
