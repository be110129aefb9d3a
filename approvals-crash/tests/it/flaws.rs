//! The harness finds what is wrong: each run has a flaw of its own.

use std::collections::HashSet;
use std::time::Duration;

use approvals_crash::Backend;
use approvals_crash::flaw::Flaw;
use approvals_crash::trail::Broken;

use crate::support::{kills, run, seed};

/// What a run with this flaw is found to break within so many kills.
async fn found(flaw: Flaw, within: u64) -> Option<HashSet<Broken>> {
    let mut with = kills(Backend::Sqlite, within, seed());
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
    let Some(found) = found(Flaw::RunsUnclaimed, 100).await else {
        return;
    };
    assert!(found.contains(&Broken::EffectWithoutStart), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_forgets_its_keys_is_caught() {
    let Some(found) = found(Flaw::ForgetsKeys, 100).await else {
        return;
    };
    // It runs twice, or is told of a run that its call did not ask for: whichever comes first.
    let told = found.contains(&Broken::WrongAnswer);
    assert!(told || found.contains(&Broken::RanTwice), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_acknowledges_votes_and_loses_them_is_caught() {
    let Some(found) = found(Flaw::LosesVotes, 100).await else {
        return;
    };
    assert!(found.contains(&Broken::LostDecision), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_acknowledges_starts_and_loses_them_is_caught() {
    let Some(found) = found(Flaw::LosesStarts, 100).await else {
        return;
    };
    assert!(found.contains(&Broken::EffectWithoutStart), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_execution_that_nobody_finds_is_caught() {
    let Some(found) = found(Flaw::NeverDue, 30).await else {
        return;
    };
    assert!(found.contains(&Broken::NotInDoubt), "{found:?}");
}
