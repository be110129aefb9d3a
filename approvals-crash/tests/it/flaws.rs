//! The harness finds what is wrong: each run has a flaw of its own.

use std::collections::HashSet;
use std::time::Duration;

use approvals_crash::Backend;
use approvals_crash::flaw::Flaw;
use approvals_crash::trail::Broken;

use crate::support::{kills, run, seed};

/// How many schedules a flaw may stay hidden in: what breaks first, and whether anything does,
/// depends on the moments of the kills.
const SCHEDULES: u64 = 6;

/// Asserts that a flaw is caught by one of these rules.
async fn assert_caught(flaw: Flaw, within: u64, by: &[Broken]) {
    for schedule in 0..SCHEDULES {
        let Some(found) = found(flaw, within, seed().wrapping_add(schedule)).await else {
            return;
        };
        if by.iter().any(|broken| found.contains(broken)) {
            return;
        }
        eprintln!("{flaw:?}: schedule {schedule} found {found:?}");
    }
    panic!("{flaw:?} is not caught by {by:?} in {SCHEDULES} schedules");
}

/// What a schedule with this flaw is found to break within so many kills.
async fn found(flaw: Flaw, within: u64, seed: u64) -> Option<HashSet<Broken>> {
    let mut with = kills(Backend::Sqlite, within, seed);
    with.flaw = Some(flaw);
    with.settles_within = Duration::from_secs(5);
    let report = run(&with).await?;
    if let Some(directory) = &report.directory {
        std::fs::remove_dir_all(directory).unwrap();
    }
    Some(report.violations.iter().map(|v| v.broken).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_runs_without_a_claim_is_caught() {
    assert_caught(Flaw::RunsUnclaimed, 100, &[Broken::EffectWithoutStart]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_forgets_its_keys_is_caught() {
    // It runs twice, or is told of a run that its call did not ask for: whichever comes first.
    assert_caught(
        Flaw::ForgetsKeys,
        100,
        &[Broken::RanTwice, Broken::WrongAnswer],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_acknowledges_votes_and_loses_them_is_caught() {
    assert_caught(Flaw::LosesVotes, 100, &[Broken::LostDecision]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_acknowledges_starts_and_loses_them_is_caught() {
    assert_caught(Flaw::LosesStarts, 100, &[Broken::EffectWithoutStart]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_sink_that_acknowledges_events_and_loses_them_is_caught() {
    assert_caught(Flaw::LosesEvents, 20, &[Broken::RanBeforeSink]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_know_of_a_freeze_is_caught() {
    assert_caught(Flaw::IgnoresFreeze, 100, &[Broken::RanFrozen]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_execution_that_nobody_finds_is_caught() {
    assert_caught(Flaw::NeverDue, 30, &[Broken::NotInDoubt]).await;
}
