//! A gate on a file with which something goes wrong: nothing runs, and nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory};
use approvals_core::review::Limits;
use approvals_core::{
    ApprovalError, Call, Gate, Kind, Phase, RedactionKey, RequestId, RequestStore, Requirement,
};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::{REVIEWERS, Sample};
use approvals_testing::{ManualClock, SmallDisk};
use tokio::time::timeout;

use crate::support::{House, events, sink};

/// How long a call waits for people that are never heard.
const SOON: Duration = Duration::from_secs(5);

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
    let (gate, approver) = gate(Arc::clone(&store)).await;
    let about = Sample::at(store.now().await.unwrap());
    let mut ran: BTreeMap<RequestId, usize> = BTreeMap::new();
    let mut ballast = None;
    let (mut calls, mut refused) = (0, 0);
    // The last of them are made when nothing can be written any more.
    while refused < 5 {
        calls += 1;
        assert!(calls < 2_000, "the disk is never full");
        approver.script([Answer::approve("alice")]);
        let call = about.clone().table(&format!("full {calls}")).call();
        match timeout(SOON, attempt(&gate, &call)).await {
            Ok(Ok(request)) => *ran.entry(request).or_default() += 1,
            Ok(Err(error)) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error}");
                refused += 1;
            }
            // The vote could not be stored, so it waits for people.
            Err(_) => refused += 1,
        }
        if calls == 3 {
            ballast = Some(disk.fill().unwrap());
        }
    }
    assert!(ran.len() >= 3, "{ran:?}");
    std::fs::remove_file(ballast.unwrap()).unwrap();
    drop(gate);
    store.close().await;
    let store = SqliteStore::open(&file).await.unwrap();
    for (request, times) in ran {
        let stands = store.read(request).await.unwrap().unwrap().record;
        let phase = stands.state.phase();
        assert!(
            matches!(phase, Phase::Succeeded | Phase::Executing | Phase::InDoubt),
            "{request} ran and is {phase}"
        );
        assert_eq!(times, 1);
    }
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
