//! Of several processes that share a store, one does what has to be done for all.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink};
use approvals_core::store::{Duty, RequestStore as _};
use approvals_core::{ChannelId, Gate, OwnerId, Phase, SinkId};

use super::support::{beside, beside_with, restarted};
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn one_process_updates_messages_and_another_takes_over_when_it_ends() {
    let one = world(a_senior()).await;
    let other = beside(&one, a_senior()).await;
    for step in ["a", "b"] {
        let (task, request) = other.ask(keyed(step, 1)).await;
        request.deny_as("alice", "no").await.unwrap();
        task.await.unwrap().unwrap_err();
    }
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(one.approver.outcomes().len(), 2);
    assert_eq!(other.approver.outcomes(), []);
    one.gate.flush().await;
    drop(one);
    // It gave its duties up when it ended.
    tokio::time::sleep(seconds(2)).await;
    let (task, request) = other.ask(keyed("c", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    task.await.unwrap().unwrap_err();
    other.gate.flush().await;
    assert_eq!(other.approver.outcomes(), [(request.id(), Phase::Denied)]);
}

/// As if a process had been killed: it has the duty, and does nothing.
async fn killed(world: &World, duty: Duty) {
    let taken = world.store.inner.lease(&duty, OwnerId::new(), seconds(10));
    assert!(taken.await.unwrap());
}

fn empty() -> Arc<Store> {
    Arc::new(Failing::store())
}

#[tokio::test(start_paused = true)]
async fn deadlines_take_effect_when_the_process_that_minded_them_is_killed() {
    let mut dead = world(a_senior()).await;
    dead.store = empty();
    killed(&dead, Duty::Deadlines).await;
    let quick = a_senior().deadline(seconds(5)).unwrap();
    let world = beside(&dead, quick).await;
    let began = tokio::time::Instant::now();
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(error.is_timed_out(), "{error}");
    let took = began.elapsed();
    assert!(took >= seconds(10), "somebody else minds them: {took:?}");
    assert!(took < seconds(13), "until its time has passed: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_late_deadline_lets_nobody_vote() {
    let mut dead = world(a_senior()).await;
    dead.store = empty();
    killed(&dead, Duty::Deadlines).await;
    let quick = a_senior().deadline(seconds(5)).unwrap();
    let world = beside(&dead, quick).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(6)).await;
    request.approve_as("alice").await.unwrap_err();
    assert!(refusal(task.await.unwrap()).is_timed_out());
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_are_updated_when_the_process_that_minded_them_is_killed() {
    let mut dead = world(a_senior()).await;
    dead.store = empty();
    let chat = Duty::Channel(ChannelId::new("test").unwrap());
    killed(&dead, chat).await;
    let world = beside(&dead, a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    task.await.unwrap().unwrap_err();
    world.gate.flush().await;
    assert_eq!(world.approver.outcomes(), []);
    tokio::time::sleep(seconds(12)).await;
    assert_eq!(world.approver.outcomes(), [(request.id(), Phase::Denied)]);
}

#[tokio::test(start_paused = true)]
async fn one_process_feeds_a_sink_and_the_effects_of_others_wait_for_it() {
    let one = world(a_senior()).await;
    let theirs = Arc::new(InMemoryAuditSink::new());
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(one.store.clone(), one.directory.clone())
        .policy("p", a_senior())
        .approver("test", approver.connect())
        .required_audit_sink("memory", theirs.clone());
    let mut other = beside(&one, a_senior()).await;
    other.gate = gate.build().await.unwrap();
    other.approver = approver;
    other.approved("alice", export("orders", 1)).await.unwrap();
    other.gate.flush().await;
    assert_eq!(theirs.events().len(), 0, "its log is written elsewhere");
    let numbers: Vec<u64> = one.sink.events().iter().map(|event| event.number).collect();
    let dense: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, dense);
    assert!(
        numbers.len() >= 5,
        "requested, voted, approved, claimed, started: {numbers:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_effect_waits_until_the_sink_of_a_process_that_was_killed_is_fed_again() {
    let mut dead = world(a_senior()).await;
    dead.store = empty();
    let log = Duty::Sink(SinkId::new("memory").unwrap());
    killed(&dead, log).await;
    let world = beside(&dead, a_senior()).await;
    let began = tokio::time::Instant::now();
    world.approved("alice", export("orders", 1)).await.unwrap();
    let took = began.elapsed();
    assert!(took >= seconds(9) && took < seconds(15), "{took:?}");
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_renew_its_duties_stops_before_another_begins() {
    let world = world(a_senior()).await;
    let chat = InMemoryApprover::new();
    let gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("chat", chat.connect())
        .build()
        .await
        .unwrap();
    // Only its own way to the duties is cut off.
    world.store.fail("lease");
    tokio::time::sleep(seconds(30)).await;
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    chat.next().await.deny_as("alice", "no").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(chat.outcomes(), []);
    world.store.recover();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(chat.outcomes(), [(id, Phase::Denied)]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_after_another_ended_waits_for_no_lease() {
    let world = restarted(world(a_senior()).await, a_senior()).await;
    tokio::time::sleep(seconds(2)).await;
    let began = tokio::time::Instant::now();
    world.approved("alice", export("orders", 1)).await.unwrap();
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    let quick = beside_with(&world, a_senior(), |gate| gate.lease(seconds(1))).await;
    quick.approved("alice", export("orders", 2)).await.unwrap();
}
