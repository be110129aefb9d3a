//! Callbacks of Teams: tokens and bodies, unsigned, signed by another, with claims of any kind,
//! signed, and clicks.
#![no_main]

#[path = "../../approvals-teams/tests/it/room.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod room;
#[path = "../../approvals-teams/tests/stand_in/mod.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod stand_in;
#[path = "../../approvals-teams/tests/hostile/target.rs"]
#[allow(dead_code, reason = "the test begins with bodies, a fuzzer with its corpus")]
mod target;

use std::alloc::System;

use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

thread_local! {
    static TARGET: target::Target = target::Target::new();
}

fuzz_target!(|data: &[u8]| {
    TARGET.with(|target| target.any(data));
});
