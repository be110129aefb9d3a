//! Fifty races a store.

use approvals_crash::Backend;

use crate::support::{race, seed};

async fn has_one_winner(backend: Backend) {
    let Some(report) = race(backend, 50, seed()).await else {
        return;
    };
    assert!(report.violations.is_empty(), "{report}");
    assert_eq!(report.ended.values().sum::<u64>(), 50, "{report}");
    // It would prove nothing if the same one always won.
    assert!(report.ended.len() >= 4, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_one_of_eight_processes_wins_and_the_others_are_told_who_did() {
    has_one_winner(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_one_of_eight_processes_wins_and_the_others_are_told_who_did() {
    has_one_winner(Backend::Sqlite).await;
}
