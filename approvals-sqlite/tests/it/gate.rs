//! A gate on a file with which something goes wrong: nothing runs, and nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
use approvals_core::review::Limits;
use approvals_core::{ApprovalError, Call, Gate, Kind, RedactionKey, RequestId, Requirement};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::REVIEWERS;
use approvals_testing::{FullDisk, ManualClock, SmallDisk};

use crate::support::{House, events, sink};

async fn gate(store: Arc<SqliteStore>) -> (Gate, InMemoryApprover) {
    let directory = InMemoryDirectory::new();
    directory.person("alice", [REVIEWERS]).unwrap();
    directory.person("bob", ["agents-owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(store, Arc::new(directory))
        .policy("sample", Requirement::one_of(REVIEWERS).unwrap())
        .approver("memory", approver.connect())
        .limits(Limits {
            pending: 100_000,
            asks_per_hour: 100_000,
            ..Limits::default()
        })
        .redaction_key(RedactionKey::random().unwrap())
        .build()
        .await
        .unwrap();
    (gate, approver)
}

/// Runs a call, and says which request it ran under.
async fn attempt(gate: &Gate, call: &Call) -> Result<RequestId, ApprovalError> {
    let admitted = gate.authorize(call.clone()).await?;
    let permit = admitted.start(call).await?;
    let request = permit.request_id().unwrap();
    permit.finish(true).await;
    Ok(request)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_runs_whose_start_is_not_stored() {
    let Some(disk) = SmallDisk::mount(4).unwrap() else {
        return;
    };
    let file = disk.path().join("requests.db");
    let store = Arc::new(SqliteStore::open(&file).await.unwrap());
    let full = FullDisk::fill(Arc::<SqliteStore>::clone(&store), &disk).await;
    let full = full.unwrap();
    full.make_room().unwrap();
    store.close().await;
    let store = SqliteStore::open(&file).await.unwrap();
    full.has_every_start_in(&store).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_is_an_hour_back_a_yes_does_not_count_and_nothing_runs() {
    let house = House::new();
    let clock: Arc<ManualClock> = Arc::clone(&house.clock);
    let store = Arc::new(house.store().await);
    let sink = sink(&store).await;
    let (gate, approver) = gate(Arc::clone(&store)).await;
    let call = house.sample().call();
    let asking = tokio::spawn({
        let (gate, call) = (gate.clone(), call.clone());
        async move { attempt(&gate, &call).await }
    });
    let asked = approver.next().await;
    clock.jump_back(Duration::from_secs(3_600));
    let refused = asked.approve_as("alice").await.unwrap_err();
    assert!(refused.to_string().contains("clock"), "{refused}");
    assert!(!asking.is_finished());
    let again = attempt(&gate, &call).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Unavailable, "{again}");
    clock.advance(Duration::from_secs(3_601));
    asked.approve_as("alice").await.unwrap();
    let request = asking.await.unwrap().unwrap();
    let trail = events(&store, &sink).await;
    let about = trail.iter().filter(|event| event.request == Some(request));
    assert!(about.is_sorted_by_key(|event| event.at));
}
