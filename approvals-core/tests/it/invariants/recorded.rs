//! Invariant 11: record before effect.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink};
use approvals_core::{AllowRecording, Gate, Kind, Phase, Rules, Strictest, What};

use crate::support::adapters::{Log, LoggingApprover, LoggingSink, PickySink};
use crate::support::*;

fn position(log: &[String], what: &str) -> usize {
    log.iter()
        .position(|seen| seen == what)
        .unwrap_or_else(|| panic!("no {what} in {log:?}"))
}

#[tokio::test(start_paused = true)]
async fn every_required_sink_has_an_event_before_the_effect_that_it_licenses() {
    let log = Log::default();
    let approver = InMemoryApprover::new();
    let mut world = world(a_senior()).await;
    let channel = {
        let log = log.clone();
        let connect = approver.connect();
        move |desk| Arc::new(LoggingApprover(log, connect(desk)))
    };
    world.gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("logging", channel)
        .required_audit_sink("log", Arc::new(LoggingSink(log.clone())))
        .build()
        .await
        .unwrap();
    world.approver = approver;
    let (noted, bodies) = (log.clone(), world.bodies.clone());
    world.store.after(Phase::Approved, {
        let log = log.clone();
        async move { log.lock().unwrap().push("(approved)".to_owned()) }
    });
    world.store.after(Phase::Claimed, {
        let log = log.clone();
        async move { log.lock().unwrap().push("(claimed)".to_owned()) }
    });
    world.store.after(Phase::Executing, async move {
        assert_eq!(bodies.load(std::sync::atomic::Ordering::SeqCst), 0);
        noted.lock().unwrap().push("(started)".to_owned());
    });
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    let log = log.lock().unwrap().clone();
    assert!(
        position(&log, "requested") < position(&log, "(presented)"),
        "{log:?}"
    );
    assert!(
        position(&log, "approved") < position(&log, "(claimed)"),
        "{log:?}"
    );
    assert!(
        position(&log, "voted") < position(&log, "(claimed)"),
        "{log:?}"
    );
    assert!(
        position(&log, "claimed") < position(&log, "(started)"),
        "{log:?}"
    );
    let order = [
        "requested",
        "voted",
        "approved",
        "claimed",
        "started",
        "finished",
    ];
    let trail: Vec<_> = log.iter().filter(|name| !name.starts_with('(')).collect();
    assert_eq!(trail, order);
}

async fn with_a_sink_that_refuses(event: &'static str) -> (World, Arc<PickySink>) {
    let sink = Arc::new(PickySink {
        inner: InMemoryAuditSink::new(),
        refuses: event,
    });
    let world = world_with(a_senior(), |gate| {
        gate.required_audit_sink("picky", sink.clone())
    })
    .await;
    (world, sink)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_recorded_is_not_presented() {
    let (world, _) = with_a_sink_that_refuses("requested").await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(
        error.is_unavailable() && error.to_string().contains("`picky`"),
        "{error}"
    );
    assert!(world.approver.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_is_not_recorded_is_not_claimed() {
    let (world, _) = with_a_sink_that_refuses("approved").await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(error.to_string().contains("`picky`"), "{error}");
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    assert_eq!(world.record(request.id()).await.fence, 0, "never claimed");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_recorded_is_not_started() {
    let (world, _) = with_a_sink_that_refuses("claimed").await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(error.to_string().contains("`picky`"), "{error}");
    world.gate.flush().await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Approved,
        "the claim was given back"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_not_required_holds_nothing_up_and_loses_nothing() {
    let slow = Arc::new(InMemoryAuditSink::new());
    slow.fail(Some("away"));
    let world = world_with(a_senior(), |gate| gate.audit_sink("slow", slow.clone())).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    assert!(slow.events().is_empty());
    slow.fail(None);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(slow.events(), world.sink.events());
}

fn allowed() -> Rules {
    Rules::new().allow("it.export", "exports").unwrap()
}

fn count_allowed(sink: &InMemoryAuditSink) -> usize {
    sink.events()
        .iter()
        .filter(|event| matches!(event.what, What::Allowed { .. }))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_durable_allow_is_recorded_before_the_body() {
    let world = world_with(allowed(), |gate| {
        gate.record_allowed(AllowRecording::Durable)
    })
    .await;
    world.run(export("orders", 1)).await.unwrap();
    assert_eq!(count_allowed(&world.sink), 1, "without any waiting");
    world.sink.fail(Some("the disk is full"));
    let error = refusal(world.run(export("orders", 2)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_verdict_is_recorded_with_the_version_of_its_policy() {
    let versions = |sink: &InMemoryAuditSink| -> Vec<Option<String>> {
        let events = sink.events();
        let versions = events.iter().filter_map(|event| match &event.what {
            What::Allowed { policy_version, .. }
            | What::Refused { policy_version, .. }
            | What::Claimed { policy_version, .. } => Some(policy_version),
            What::Requested { asked } => Some(&asked.policy_version),
            _ => None,
        });
        versions.map(|v| v.as_deref().map(str::to_owned)).collect()
    };
    let seventh = || Some("7".to_owned());
    let world = world(allowed().versioned("7")).await;
    world.run(export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    assert_eq!(versions(&world.sink), [seventh()]);
    let denies = Rules::new().deny("it.export", "no-exports").unwrap();
    let world = crate::support::world(denies.versioned("7")).await;
    refusal(world.run(export("orders", 1)).await);
    world.gate.flush().await;
    assert_eq!(versions(&world.sink), [seventh()]);
    let asks = Rules::new()
        .review("it.export", "exports", a_senior())
        .unwrap();
    let world = crate::support::world(asks.versioned("7")).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    // Requested and claimed.
    assert_eq!(versions(&world.sink), [seventh(), seventh()]);
    // Of several policies, those of all, in their order.
    let asks = |rule| Rules::new().review("it.export", rule, a_senior()).unwrap();
    let several = Strictest::of(asks("exports").versioned("7"))
        .and(a_senior())
        .and(asks("hours").versioned("8"));
    let world = crate::support::world(several).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    let all = || Some("7 + - + 8".to_owned());
    assert_eq!(versions(&world.sink), [all(), all()]);
}

#[tokio::test(start_paused = true)]
async fn a_buffered_allow_is_recorded_by_a_flush() {
    let world = world(allowed()).await;
    for rows in 0..100 {
        world.run(export("orders", rows)).await.unwrap();
    }
    world.gate.flush().await;
    assert_eq!(count_allowed(&world.sink), 100);
}

#[tokio::test(start_paused = true)]
async fn a_buffered_allow_is_recorded_after_its_gate_was_dropped() {
    let world = world(allowed()).await;
    world.run(export("orders", 1)).await.unwrap();
    let World {
        gate, sink, store, ..
    } = world;
    store.fail("append");
    drop(gate);
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(count_allowed(&sink), 0);
    store.recover();
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(count_allowed(&sink), 1);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_events_have_no_gap() {
    let world = world(a_senior()).await;
    for rows in 0..5 {
        world
            .approved("alice", export("orders", rows))
            .await
            .unwrap();
    }
    world.denied("alice", export("orders", 9)).await;
    world.gate.flush().await;
    let numbers: Vec<u64> = world
        .sink
        .events()
        .iter()
        .map(|event| event.number)
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}
