//! A replica that the network cuts off releases nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
use approvals_core::review::{Choice, Command, Refusal};
use approvals_core::store::{Opened, Swapped};
use approvals_core::{
    ApprovalError, Gate, Kind, OwnerId, Phase, RedactionKey, RequestStore, Requirement, StoreError,
};
use approvals_postgres::PostgresStore;
use approvals_testing::ManualClock;
use approvals_testing::sample::{REVIEWERS, Sample};
use tokio::time::timeout;

use crate::proxy::{Network, Proxy};
use approvals_testing::sample::swap;

use crate::support::{LEASE, PATIENCE, Place, ask, claim, done, sample, start, vote};

const SOON: Duration = Duration::from_millis(300);

/// One attempt: what the macro's expansion does around a body.
async fn attempt(gate: &Gate, sample: &Sample, runs: &AtomicUsize) -> Result<(), ApprovalError> {
    let admitted = gate.authorize(sample.call()).await?;
    let permit = admitted.start(&sample.call()).await?;
    runs.fetch_add(1, Ordering::SeqCst);
    permit.finish(true).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_cut_off_runs_nothing_and_goes_on_when_the_network_is_back() {
    let Some(place) = Place::new() else { return };
    let direct = place.store().await;
    let proxy = Proxy::before(&place.url).await;
    let through = Place {
        url: proxy.url(),
        ..place
    };
    let store = through.builder().answer_within(SOON).connect();
    let directory = InMemoryDirectory::new();
    directory.person("alice", [REVIEWERS]).unwrap();
    directory.person("bob", ["agents-owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(store.await.unwrap()), Arc::new(directory))
        .policy("sample", Requirement::one_of(REVIEWERS).unwrap())
        .approver("memory", approver.connect())
        .redaction_key(RedactionKey::random().unwrap())
        .build()
        .await
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let keyed = sample(&direct).await.key("step-1");
    let waiting = tokio::spawn({
        let (gate, runs, keyed) = (gate.clone(), Arc::clone(&runs), keyed.clone());
        async move { attempt(&gate, &keyed, &runs).await }
    });
    let id = approver.next().await.id();
    proxy.set(Network::Stalled);
    let pending = direct.read(id).await.unwrap().unwrap().record;
    done(&direct, id, &vote(&pending, "alice", Choice::Approve)).await;
    let refused = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let stands = direct.read(id).await.unwrap().unwrap().record;
    assert_eq!(stands.state.phase(), Phase::Approved);

    proxy.set(Network::Open);
    let ran = timeout(PATIENCE, attempt(&gate, &keyed, &runs));
    ran.await.unwrap().unwrap();
    let repeated = attempt(&gate, &keyed, &runs).await.unwrap_err();
    assert_eq!(repeated.kind(), Kind::AlreadyFinished, "{repeated}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// Two stores on one clock; the network of the first can be cut.
struct Replicas {
    cut_off: PostgresStore,
    other: PostgresStore,
    proxy: Proxy,
    clock: Arc<ManualClock>,
}

impl Replicas {
    async fn new() -> Option<Self> {
        let place = Place::new()?;
        let clock = Arc::new(ManualClock::new());
        let proxy = Proxy::before(&place.url).await;
        let through = Place {
            url: proxy.url(),
            ..place.clone()
        };
        let store = |place: &Place| place.builder().clock(Arc::clone(&clock) as _);
        Some(Self {
            cut_off: store(&through).answer_within(SOON).connect().await.unwrap(),
            other: store(&place).connect().await.unwrap(),
            proxy,
            clock,
        })
    }
}

fn unreachable(swapped: Result<Swapped, StoreError>) {
    assert!(
        matches!(swapped, Err(StoreError::Unreachable(_))),
        "{swapped:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_replica_that_is_cut_off_runs_out_and_another_takes_it() {
    let Some(replicas) = Replicas::new().await else {
        return;
    };
    let Replicas {
        cut_off,
        other,
        proxy,
        clock,
    } = replicas;
    let record = ask(&other, &sample(&other).await).await;
    let id = record.id();
    done(&other, id, &vote(&record, "alice", Choice::Approve)).await;
    let (lost, taking) = (OwnerId::new(), OwnerId::new());
    let claimed = done(&cut_off, id, &claim(lost)).await;
    let starting = swap(&claimed, &start(lost, 1), clock_now(&clock)).unwrap();
    proxy.set(Network::Stalled);
    unreachable(cut_off.compare_and_swap(starting.clone()).await);
    clock.advance(LEASE);
    assert_eq!(other.due(10).await.unwrap().requests, [id]);
    let back = done(&other, id, &Command::Due).await;
    assert_eq!(back.state.phase(), Phase::Approved);
    done(&other, id, &claim(taking)).await;
    done(&other, id, &start(taking, 2)).await;
    proxy.set(Network::Open);
    let late = cut_off.compare_and_swap(starting).await.unwrap();
    assert!(matches!(late, Swapped::Conflict), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_of_a_replica_that_is_cut_off_is_in_doubt() {
    let Some(replicas) = Replicas::new().await else {
        return;
    };
    let Replicas {
        cut_off,
        other,
        proxy,
        clock,
    } = replicas;
    let record = ask(&other, &sample(&other).await).await;
    let id = record.id();
    done(&other, id, &vote(&record, "alice", Choice::Approve)).await;
    let owner = OwnerId::new();
    done(&cut_off, id, &claim(owner)).await;
    let executing = done(&cut_off, id, &start(owner, 1)).await;
    let finish = Command::Finish {
        fence: 1,
        succeeded: true,
        summary: None,
    };
    let finishing = swap(&executing, &finish, clock_now(&clock)).unwrap();
    proxy.set(Network::Stalled);
    unreachable(cut_off.compare_and_swap(finishing.clone()).await);
    clock.advance(LEASE);
    let doubtful = done(&other, id, &Command::Due).await;
    assert_eq!(doubtful.state.phase(), Phase::InDoubt);
    proxy.set(Network::Open);
    let late = cut_off.compare_and_swap(finishing).await.unwrap();
    assert!(matches!(late, Swapped::Conflict), "{late:?}");
    let again = sample(&cut_off).await.opening();
    let refused = cut_off.open(again, Vec::new()).await.unwrap();
    assert!(
        matches!(&refused, Opened::Refused(Refusal::InDoubt(by)) if by.id() == id),
        "{refused:?}"
    );
}

fn clock_now(clock: &ManualClock) -> approvals_core::Timestamp {
    approvals_core::Clock::now(clock).unwrap()
}
