//! Callbacks of Teams: tokens and bodies, unsigned, signed by another, and signed.
#![no_main]

#[path = "../../approvals-teams/tests/stand_in/mod.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod stand_in;
#[path = "../../approvals-teams/tests/hostile/target.rs"]
#[allow(dead_code, reason = "the test begins with bodies, a fuzzer with its corpus")]
mod target;

use libfuzzer_sys::fuzz_target;

thread_local! {
    static TARGET: target::Target = target::Target::new();
}

fuzz_target!(|data: &[u8]| {
    TARGET.with(|target| match data.split_first() {
        Some((0..=99, rest)) => target.unsigned(rest),
        Some((100..=149, rest)) => target.signed_by_another(rest),
        Some((_, rest)) => target.signed(rest),
        None => {}
    });
});
