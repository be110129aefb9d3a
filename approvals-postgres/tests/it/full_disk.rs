//! A server whose disk is full.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory};
use approvals_core::review::{Limits, Record};
use approvals_core::store::{Filter, Opened};
use approvals_core::{
    ApprovalError, Call, Gate, Kind, Phase, RedactionKey, RequestId, RequestStore, Requirement,
    StoreError,
};
use approvals_postgres::PostgresStore;
use approvals_testing::SmallDisk;
use approvals_testing::postgres::PrivateServer;
use approvals_testing::sample::{REVIEWERS, Sample};

use tokio::time::timeout;

use crate::support::{Place, ask, finished, sample, server_in, skip};

/// How long a call waits for people that are never heard.
const SOON: Duration = Duration::from_secs(5);

fn plenty(sample: Sample) -> Sample {
    sample.limits(Limits {
        pending: 100_000,
        asks_per_hour: 100_000,
        ..Limits::default()
    })
}

/// Asks until the store says that it cannot; returns what it acknowledged, and what it said.
async fn ask_until_full(store: &PostgresStore, about: &Sample) -> (Vec<Arc<Record>>, StoreError) {
    let mut asked = Vec::new();
    loop {
        let sample = about.clone().table(&format!("full {}", asked.len()));
        match store.open(sample.opening(), Vec::new()).await {
            Ok(Opened::Asked { record, .. }) => asked.push(record),
            Ok(other) => panic!("people should be asked: {other:?}"),
            Err(error) => return (asked, error),
        }
    }
}

/// Dropped in this order: the server before the disk that it is on.
struct Full {
    store: Arc<PostgresStore>,
    place: Place,
    server: PrivateServer,
    disk: SmallDisk,
}

async fn on_a_small_disk() -> Option<Full> {
    let Some(disk) = SmallDisk::mount(96).unwrap() else {
        skip("a small disk cannot be mounted by this user");
        return None;
    };
    let server = server_in(disk.path())?;
    let place = Place::at(server.url("postgres"));
    let store = place.builder().answer_within(Duration::from_secs(5));
    let store = Arc::new(store.connect().await.unwrap());
    Some(Full {
        disk,
        server,
        place,
        store,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_clear_error_and_what_was_acknowledged_is_there_when_there_is_room() {
    let Some(full) = on_a_small_disk().await else {
        return;
    };
    let Full {
        disk,
        server,
        place,
        store,
    } = &full;
    let about = plenty(sample(store).await);
    let before = ask(store, &about).await;
    let ballast = disk.fill().unwrap();
    let (mut acknowledged, error) = ask_until_full(store, &about).await;
    assert!(
        matches!(error, StoreError::Full(_) | StoreError::Unreachable(_)),
        "{error:?}"
    );
    acknowledged.push(before);
    make_room(&ballast, server);
    let store = place.store().await;
    for record in &acknowledged {
        let stands = store.read(record.id()).await.unwrap().unwrap();
        assert_eq!(*stands.record, **record);
    }
    // One that failed is there or not; none is there that nobody asked for.
    let everything = store.list(&Filter::default(), None, 100_000).await;
    let there = everything.unwrap().len();
    assert!(
        (acknowledged.len()..=acknowledged.len() + 1).contains(&there),
        "{there} of {}",
        acknowledged.len()
    );
    let record = finished(&store, &about.table("after")).await;
    assert_eq!(record.state.phase(), Phase::Succeeded);
}

/// A server that could not write what it had to may have stopped.
fn make_room(ballast: &Path, server: &PrivateServer) {
    fs::remove_file(ballast).unwrap();
    server.crash().unwrap();
    server.restart().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_runs_whose_start_is_not_stored() {
    let Some(full) = on_a_small_disk().await else {
        return;
    };
    let Full {
        disk,
        server,
        place,
        store,
    } = &full;
    let directory = InMemoryDirectory::new();
    directory.person("alice", [REVIEWERS]).unwrap();
    directory.person("bob", ["agents-owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::<PostgresStore>::clone(store), Arc::new(directory))
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
    let about = sample(store).await;
    let mut runs: BTreeMap<RequestId, usize> = BTreeMap::new();
    // While there is room it runs.
    approver.script([Answer::approve("alice")]);
    let first = about.clone().table("full 0").call();
    runs.insert(attempt(&gate, &first).await.unwrap(), 1);
    let ballast = disk.fill().unwrap();
    let mut refused = 0;
    let mut calls = 0;
    // The last of them are made when nothing can be written any more.
    while refused < 5 {
        calls += 1;
        approver.script([Answer::approve("alice")]);
        let call = about.clone().table(&format!("full {calls}")).call();
        match timeout(SOON, attempt(&gate, &call)).await {
            Ok(Ok(request)) => *runs.entry(request).or_default() += 1,
            Ok(Err(error)) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error}");
                refused += 1;
            }
            // The vote could not be stored, so it waits for people.
            Err(_) => refused += 1,
        }
    }
    drop(gate);
    make_room(&ballast, server);
    let store = place.store().await;
    for (request, times) in runs {
        let stands = store.read(request).await.unwrap().unwrap().record;
        let phase = stands.state.phase();
        assert!(
            matches!(phase, Phase::Succeeded | Phase::Executing | Phase::InDoubt),
            "{request} ran and is {phase}"
        );
        assert_eq!(times, 1);
    }
}

/// Runs a call, and says which request it ran under.
async fn attempt(gate: &Gate, call: &Call) -> Result<RequestId, ApprovalError> {
    let admitted = gate.authorize(call.clone()).await?;
    let permit = admitted.start(call).await?;
    let request = permit.request_id().unwrap();
    permit.finish(true).await;
    Ok(request)
}
