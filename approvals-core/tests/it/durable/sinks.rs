//! A sink that stands, and one that another process feeds.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink};
use approvals_core::store::RequestStore as _;
use approvals_core::{ActionName, Gate, Reasons, Rules, What};

use super::support::beside;
use crate::support::adapters::HangingSink;
use crate::support::*;

async fn gate(world: &World, sink: Arc<HangingSink>, required: bool) -> (Gate, InMemoryApprover) {
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("chat", approver.connect());
    let gate = if required {
        gate.required_audit_sink("log", sink)
    } else {
        gate.audit_sink("log", sink)
    };
    (gate.build().await.unwrap(), approver)
}

fn allowed() -> NewEvent {
    NewEvent::new(What::Allowed {
        action: "it.export".parse::<ActionName>().unwrap(),
        requester: agent(),
        call: None,
        reasons: Reasons::rule("everybody", "they may").unwrap(),
        policy_version: None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_in_one_process_is_fed_by_another() {
    let world = world(a_senior()).await;
    let log = Arc::new(InMemoryAuditSink::new());
    let [one, other] = [0, 1].map(|_| Arc::new(HangingSink::new(&log)));
    let (_feeds, _) = gate(&world, one.clone(), true).await;
    tokio::time::sleep(seconds(2)).await;
    let (gate, approver) = gate(&world, other, true).await;
    one.hang(true);
    let began = tokio::time::Instant::now();
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(
        took >= seconds(10) && took < seconds(15),
        "as soon as the sink counts as hanging: {took:?}"
    );
    assert_eq!(approver.next().await.id(), id);
    one.hang(false);
    tokio::time::sleep(seconds(5)).await;
    let numbers: Vec<u64> = log.events().iter().map(|event| event.number).collect();
    let dense: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, dense, "nothing is there twice or missing");
}

/// As before, the effect is refused when nobody can feed the sink.
#[tokio::test(start_paused = true)]
async fn a_required_sink_that_hangs_everywhere_refuses() {
    let world = world(a_senior()).await;
    let log = Arc::new(HangingSink::new(&Arc::new(InMemoryAuditSink::new())));
    let (gate, approver) = gate(&world, log.clone(), true).await;
    log.hang(true);
    let began = tokio::time::Instant::now();
    let error = gate.ask(by_hand(1)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(began.elapsed() < seconds(31), "{:?}", began.elapsed());
    assert_eq!(approver.asked().len(), 0);
    log.hang(false);
    tokio::time::sleep(seconds(5)).await;
    gate.ask(by_hand(2)).await.unwrap();
    assert_eq!(approver.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_sink_gets_everything_in_the_end() {
    let world = world(a_senior()).await;
    let inner = Arc::new(InMemoryAuditSink::new());
    let log = Arc::new(HangingSink::new(&inner));
    let (gate, _) = gate(&world, log.clone(), false).await;
    for rows in 0..3 {
        log.hang(true);
        gate.ask(by_hand(rows)).await.unwrap();
        tokio::time::sleep(seconds(40)).await;
        let before = inner.events().len();
        log.hang(false);
        tokio::time::sleep(seconds(3)).await;
        assert!(inner.events().len() > before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_another_process_feeds_holds_no_allowed_call_back() {
    let world = world(a_senior()).await;
    let rules = Rules::new().allow("it.export", "exports").unwrap();
    let idle = beside(&world, rules).await;
    // More than a sink may lag behind by; the other process keeps up with it.
    let many = vec![allowed(); 70_000];
    let last = world.store.inner.append(many).await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    for rows in 0..2 {
        idle.run(export("orders", rows)).await.unwrap();
        tokio::time::sleep(seconds(5)).await;
    }
    let newest = world.sink.events().last().unwrap().number;
    assert_eq!(newest, last + 2, "both are recorded");
}

/// What is stored while a sink takes what came before.
#[tokio::test(start_paused = true)]
async fn a_sink_is_fed_once_more_after_the_gate_closed() {
    let world = world(a_senior()).await;
    let inner = Arc::new(InMemoryAuditSink::new());
    let log = Arc::new(HangingSink::new(&inner));
    let (gate, _) = gate(&world, log.clone(), false).await;
    log.hang(true);
    gate.ask(by_hand(1)).await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    let last = world.store.inner.append(vec![allowed()]).await.unwrap();
    drop(gate);
    tokio::time::sleep(seconds(1)).await;
    log.hang(false);
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(inner.events().last().unwrap().number, last);
}
