//! When.

use approvals_core::{Kind, Phase, Requirement};

use crate::support::*;

/// Public sources: a workflow engine's default response, another's `suspend.duration`.
#[tokio::test(start_paused = true)]
async fn a_timeout_approved_or_never_came() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let error = refusal(task.await.unwrap());
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(world.phase(request.id()).await, Phase::Expired);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_approval_was_accepted() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    refusal(task.await.unwrap());
    let error = request.approve_as("alice").await.unwrap_err().to_string();
    assert!(error.starts_with("the request expired at "), "{error}");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn approving_again_extended_a_grant_that_had_expired() {
    let world = world(a_senior().reuse(5, seconds(60)).unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    let until = world.record(request.id()).await.grant.unwrap().until;
    tokio::time::sleep(seconds(61)).await;
    request.approve_as("alice").await.unwrap_err();
    request.approve_as("carol").await.unwrap_err();
    assert_eq!(world.record(request.id()).await.grant.unwrap().until, until);
    let (again, _) = world.ask(export("orders", 1)).await;
    again.abort();
}

#[tokio::test(start_paused = true)]
async fn a_one_time_approval_never_expired() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(601)).await;
    assert_eq!(
        refusal(world.run(keyed("step", 1)).await).kind(),
        Kind::Lapsed
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn expiry_and_denial_were_reported_alike() {
    let world = world(a_senior()).await;
    let denied = world.denied("alice", export("orders", 1)).await;
    let (task, _) = world.ask(export("orders", 2)).await;
    let expired = refusal(task.await.unwrap());
    assert!(denied.is_denied() && !denied.is_timed_out());
    assert!(expired.is_timed_out() && !expired.is_denied());
    assert_ne!(denied.to_string(), expired.to_string());
    assert_eq!(expired.denied_by(), None);
}

/// Escalation asked others instead, and in the end nobody.
#[tokio::test(start_paused = true)]
async fn an_escalation_skipped_the_step() {
    let stage = approvals_core::Stage::of(approvals_core::Quorum::of(1, ["seniors"]).unwrap())
        .decide_within(seconds(10))
        .unwrap()
        .escalate_to(approvals_core::Audience::of(["leads"]).unwrap());
    let second = approvals_core::Stage::of(approvals_core::Quorum::of(1, ["security"]).unwrap());
    let world = world(Requirement::review(stage).then(second).unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(11)).await;
    assert!(
        request.approve_as("frank").await.is_err(),
        "the first stage is still to be met"
    );
    request.approve_as("dave").await.unwrap();
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
}

/// Public source: mcp-hangar 674.
#[tokio::test(start_paused = true)]
async fn validity_was_not_checked_again_at_dispatch() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap();
        world.directory.remove(&person("alice"));
    };
    let (ran, ()) = tokio::join!(world.run(export("orders", 1)), vote);
    assert_eq!(refusal(ran).kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}
