//! A hundred kills a store.

use approvals_crash::Backend;

use crate::support::{kills, run, seed};

async fn survives(backend: Backend) {
    let Some(report) = run(&kills(backend, 100, seed())).await else {
        return;
    };
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.kills() >= 100, "{report}");
    // It would prove nothing if little had been done.
    assert!(report.decisions >= 20, "{report}");
    assert!(report.bodies >= 10, "{report}");
    assert!(report.at_points > 0, "{report}");
    assert!(report.in_doubt > 0, "{report}");
    assert!(report.licences > 0, "{report}");
    assert!(report.expired > 0, "{report}");
    assert!(report.freezes > 0, "{report}");
    assert!(report.opened > 0, "{report}");
    assert!(report.granted > 0, "{report}");
    assert!(report.withdrawn + report.revoked > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_hundred_kills_lose_no_decision_and_run_nothing_twice_or_without_a_yes() {
    survives(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_a_hundred_kills_lose_no_decision_and_run_nothing_twice_or_without_a_yes() {
    survives(Backend::Sqlite).await;
}
