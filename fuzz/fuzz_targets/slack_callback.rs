//! Callbacks of Slack: headers and bodies, unsigned and signed.
#![no_main]

#[path = "../../approvals-slack/tests/hostile/target.rs"]
#[allow(dead_code, reason = "the test begins with bodies, a fuzzer with its corpus")]
mod target;

use libfuzzer_sys::fuzz_target;

thread_local! {
    static TARGET: target::Target = target::Target::new();
}

fuzz_target!(|data: &[u8]| {
    TARGET.with(|target| match data.split_first() {
        Some((0..=99, rest)) => target.unsigned(rest),
        Some((100..=199, rest)) => target.signed(rest, "application/x-www-form-urlencoded"),
        Some((_, rest)) => target.signed(rest, "application/json"),
        None => {}
    });
});
