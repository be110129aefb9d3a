//! Idempotency keys: one logical call.

use approvals_core::{Kind, Phase, Requester};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_with_the_pending_request() {
    let world = world(a_senior()).await;
    let (first, request) = world.ask(keyed("step", 1)).await;
    first.abort();
    let _ = first.await;
    world.gate.flush().await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Pending,
        "a keyed call detaches"
    );
    let again = tokio::spawn(world.run(keyed("step", 1)));
    tokio::time::sleep(seconds(5)).await;
    request.approve_as("alice").await.unwrap();
    again.await.unwrap().unwrap();
    assert_eq!(world.approver.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_claims_the_approved_request() {
    let world = world(a_senior()).await;
    let (first, request) = world.ask(keyed("step", 1)).await;
    first.abort();
    let _ = first.await;
    request.approve_as("alice").await.unwrap();
    world.run(keyed("step", 1)).await.unwrap();
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_finished_call_is_told_the_outcome_and_does_not_run() {
    for (end, succeeded) in [(Body::Succeeds, true), (Body::Fails, false)] {
        let world = world(a_senior()).await;
        let task = tokio::spawn(world.run_to(end, keyed("step", 1)));
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        let _ = task.await.unwrap();
        let error = refusal(world.run(keyed("step", 1)).await);
        assert_eq!(error.kind(), Kind::AlreadyFinished);
        assert_eq!(error.finished_before(), Some(succeeded));
        assert_eq!(error.request_id(), Some(request.id()));
        assert_eq!(world.bodies(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_denied_call_is_told_the_denial() {
    let world = world(a_senior()).await;
    world.denied("alice", keyed("step", 1)).await;
    let error = refusal(world.run(keyed("step", 1)).await);
    assert!(
        error.is_denied() && error.comment() == Some("no"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_call_in_doubt_is_told_so() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, keyed("step", 1)));
    world
        .approver
        .next()
        .await
        .approve_as("alice")
        .await
        .unwrap();
    tokio::time::sleep(seconds(1)).await;
    // A repeat while it runs waits for the outcome.
    let repeat = tokio::spawn(world.run(keyed("step", 1)));
    tokio::time::sleep(seconds(1)).await;
    assert!(!repeat.is_finished());
    task.abort();
    assert!(refusal(repeat.await.unwrap()).is_in_doubt());
    assert!(refusal(world.run(keyed("step", 1)).await).is_in_doubt());
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_digest_under_the_same_key_is_refused() {
    let world = world(a_senior()).await;
    let (first, _) = world.ask(keyed("step", 1)).await;
    let error = refusal(world.run(keyed("step", 2)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error
            .to_string()
            .contains("names another call: use a new key"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn a_key_is_its_requesters_own() {
    let world = world(a_senior()).await;
    world.approved("alice", keyed("step", 1)).await.unwrap();
    let other = Requester::agent("other")
        .unwrap()
        .acting_for("person:bob")
        .unwrap();
    let task = tokio::spawn(world.run_as(other, Body::Succeeds, keyed("step", 1)));
    // Possession of the key is no capability: the other agent's call is asked for itself.
    let request = world.approver.next().await;
    assert_eq!(world.bodies(), 1);
    request.deny_as("alice", "no").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_nothing_in_it_is_refused() {
    let world = world(a_senior()).await;
    let error = refusal(world.run(keyed("", 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(world.bodies(), 0);
}
