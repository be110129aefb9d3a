//! Crashes and races.

use std::sync::Arc;

use approvals_core::memory::{Answer, InMemoryApprover};
use approvals_core::{
    Approver, ApproverError, Coverage, Gate, Kind, Notice, Phase, Presentation, Receipt,
    Requirement, async_trait,
};

use crate::support::*;

/// Public sources: crewAI 5802, LibreChat agents 294, rancher-ai-agent 136.
#[tokio::test(start_paused = true)]
async fn a_resumed_run_executed_twice() {
    let world = world(a_senior()).await;
    world.approved("alice", keyed("step", 1)).await.unwrap();
    for _ in 0..3 {
        let error = refusal(world.run(keyed("step", 1)).await);
        assert_eq!(error.finished_before(), Some(true));
    }
    assert_eq!(world.bodies(), 1);
}

/// Two replicas wait for the same step.
#[tokio::test(start_paused = true)]
async fn two_replicas_ran_one_approval() {
    let world = world(a_senior()).await;
    let replica = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("test", InMemoryApprover::new().connect())
        .build()
        .await
        .unwrap();
    let (one, request) = world.ask(keyed("step", 1)).await;
    let on_replica =
        world.bare(async move { replica.scope(agent().scope(keyed("step", 1))).await });
    let two = tokio::spawn(on_replica);
    tokio::time::sleep(seconds(1)).await;
    request.approve_as("alice").await.unwrap();
    let ran = [one.await.unwrap(), two.await.unwrap()];
    assert_eq!(ran.iter().filter(|ran| ran.is_ok()).count(), 1);
    assert_eq!(world.bodies(), 1);
    let told = ran.into_iter().find(Result::is_err).unwrap();
    assert_eq!(refusal(told).kind(), Kind::AlreadyFinished);
}

/// Public source: sso-elevator 212.
#[tokio::test(start_paused = true)]
async fn a_double_click_raced() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let click = || request.answer_as_seen(Answer::approve("alice"));
    let (first, second) = tokio::join!(click(), click());
    assert!(first.is_ok() != second.is_ok());
    task.await.unwrap().unwrap();
    assert_eq!(world.bodies(), 1);
}

/// The agent's process restarts; the request is still there, and so is the way to vote on it.
#[tokio::test(start_paused = true)]
async fn a_request_was_lost_when_the_agent_restarted() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    let World {
        gate,
        store,
        directory,
        bodies,
        ..
    } = world;
    drop(gate);
    request.approve_as("alice").await.unwrap();
    // A new gate over the same store: the same step claims what was approved.
    let gate = Gate::builder(store.clone(), directory)
        .policy("p", a_senior())
        .approver("test", InMemoryApprover::new().connect())
        .build()
        .await
        .unwrap();
    let world = World {
        gate,
        approver: InMemoryApprover::new(),
        sink: Arc::default(),
        store,
        directory: people(),
        bodies,
    };
    world.run(keyed("step", 1)).await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Succeeded);
}

/// People are notified and answer before anybody waits for the answer.
#[tokio::test(start_paused = true)]
async fn an_answer_that_came_before_the_wait_was_lost() {
    let world = world(a_senior()).await;
    world
        .approver
        .script([Answer::approve("alice"), Answer::deny("alice", "no")]);
    world.run(export("orders", 1)).await.unwrap();
    assert_eq!(
        refusal(world.run(export("orders", 2)).await).kind(),
        Kind::Denied
    );
}

/// Takes its time to post, while people on another channel are quicker.
#[derive(Debug)]
struct Slow(InMemoryApprover);

#[async_trait]
impl Approver for Slow {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        tokio::time::sleep(seconds(30)).await;
        Ok(Receipt::handle("message 1"))
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        assert_eq!(receipt.as_str(), Some("message 1"));
        self.0.update(notice, receipt).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_posted_late_asked_for_what_was_decided() {
    let slow = InMemoryApprover::new();
    let channel = slow.clone();
    let world = world_with(a_senior(), |gate| {
        gate.approver("slow", |_| Arc::new(Slow(channel)))
    })
    .await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    refusal(task.await.unwrap());
    tokio::time::sleep(seconds(31)).await;
    assert_eq!(slow.outcomes(), [(request.id(), Phase::Denied)]);
}

/// Public source: teleport 10650.
#[tokio::test(start_paused = true)]
async fn revoking_did_not_revoke() {
    let world = world(a_senior().reuse(5, seconds(600)).unwrap()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    request.approve_as("alice").await.unwrap();
    world
        .gate
        .revoke(request.id(), &person("root"), "stop")
        .await
        .unwrap();
    assert_eq!(
        refusal(world.run(keyed("step", 1)).await).kind(),
        Kind::Revoked
    );
    assert_eq!(world.bodies(), 0);
}

/// Public source: teleport 68308.
#[tokio::test(start_paused = true)]
async fn history_vanished_on_expiry() {
    let world = world(Requirement::some_of(2, "seniors").unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    refusal(task.await.unwrap());
    let trail = names(&world.trail(request.id()).await);
    assert_eq!(trail, ["requested", "voted", "expired"]);
    assert_eq!(world.record(request.id()).await.votes.len(), 1);
}
