//! An operator stops everything.

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Gate, Kind, Phase, Rules, Strictest, What};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_frozen_gate_asks_nobody_and_allows_nothing() {
    let rules = Rules::new()
        .allow("it.export", "exports")
        .unwrap()
        .review("it.sync", "syncs", a_senior())
        .unwrap();
    let world = world(rules).await;
    world.gate.freeze(&person("root"), " ").await.unwrap_err();
    world
        .gate
        .freeze(&person("root"), "incident 7")
        .await
        .unwrap();
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(
        error.is_frozen() && error.to_string().contains("when the freeze is lifted"),
        "{error}"
    );
    assert!(refusal(world.run(sync(1)).await).is_frozen());
    assert!(world.approver.asked().is_empty());
    world.gate.thaw(&person("root"), "over").await.unwrap();
    world.run(export("orders", 1)).await.unwrap();
    assert_eq!(world.bodies(), 1);
    world.gate.flush().await;
    let all: Vec<_> = world
        .sink
        .events()
        .into_iter()
        .map(|event| event.what)
        .collect();
    let frozen = |what: &What| matches!(what, What::Frozen { .. });
    let thawed = |what: &What| matches!(what, What::Thawed { .. });
    assert!(
        all.iter().any(frozen) && all.iter().any(thawed),
        "both are audited"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pending_request_stays_through_a_freeze() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world
        .gate
        .freeze(&person("root"), "incident")
        .await
        .unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    world.gate.thaw(&person("root"), "over").await.unwrap();
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

/// People may still vote; the caller is told that it may retry, and nothing runs.
#[tokio::test(start_paused = true)]
async fn an_approval_that_comes_while_frozen_is_not_claimed() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    world
        .gate
        .freeze(&person("root"), "incident")
        .await
        .unwrap();
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(error.is_frozen(), "{error}");
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    assert_eq!(world.bodies(), 0);
    // The host's key finds it again.
    world.gate.thaw(&person("root"), "over").await.unwrap();
    world.run(keyed("step", 1)).await.unwrap();
    assert_eq!(
        world.approver.asked().len(),
        1,
        "people were not asked twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_freeze_between_claim_and_start_wins() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let gate = world.gate.clone();
    world.store.after(Phase::Claimed, async move {
        gate.freeze(&person("root"), "now").await.unwrap();
    });
    request.approve_as("alice").await.unwrap();
    assert!(refusal(task.await.unwrap()).is_frozen());
    world.gate.flush().await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Approved,
        "the claim was given back"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_has_started_is_not_touched_by_a_freeze() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    world.gate.freeze(&person("root"), "now").await.unwrap();
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Executing,
        "its lease is still renewed"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn every_replica_is_frozen() {
    let world = world(a_senior()).await;
    let rules = Rules::new().allow("it.export", "exports").unwrap();
    let other = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", Strictest::of(rules))
        .approver("other", InMemoryApprover::new().connect())
        .build()
        .await
        .unwrap();
    other.freeze(&person("root"), "all of it").await.unwrap();
    // Within a second every worker has read the flag.
    tokio::time::sleep(seconds(2)).await;
    assert!(refusal(world.run(export("orders", 1)).await).is_frozen());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_cannot_read_the_flag_counts_as_frozen() {
    let rules = Rules::new().allow("it.export", "exports").unwrap();
    let world = world(rules).await;
    world.store.fail("freeze");
    tokio::time::sleep(seconds(20)).await;
    world.run(export("orders", 1)).await.unwrap();
    tokio::time::sleep(seconds(11)).await;
    let error = refusal(world.run(export("orders", 2)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.to_string().contains("whether the gate is frozen"),
        "{error}"
    );
    assert_eq!(world.bodies(), 1);
}
