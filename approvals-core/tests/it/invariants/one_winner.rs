//! Invariant 8: one decision wins, and whoever comes second is told what stood.

use approvals_core::{Kind, Phase, VoteError};

use crate::support::*;

fn told(refused: Result<impl Sized, VoteError>) -> String {
    match refused {
        Err(error @ VoteError::Settled(_)) => error.to_string(),
        Err(other) => panic!("expected to be told what stood, found {other}"),
        Ok(_) => panic!("a second decision was taken"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_approve_after_a_deny_is_told_who_denied() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    let text = told(request.approve_as("carol").await);
    assert!(text.starts_with("alice denied the request at "), "{text}");
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deny_after_an_approve_is_told_that_it_stands() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    assert_eq!(
        told(request.deny_as("carol", "no").await),
        "the request is approved already"
    );
    task.await.unwrap().unwrap();
    assert_eq!(
        told(request.deny_as("carol", "no").await),
        "the request is succeeded already"
    );
}

/// Two tasks race for real: the votes are cast at the same instant, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_approve_and_a_deny_at_once_exactly_one_wins() {
    for round in 0..50 {
        let world = world(a_senior()).await;
        let (task, request) = world.ask(export("orders", round)).await;
        let (yes, no) = (request.clone(), request.clone());
        let yes = tokio::spawn(async move { yes.approve_as("alice").await.is_ok() });
        let no = tokio::spawn(async move { no.deny_as("carol", "no").await.is_ok() });
        let (yes, no) = (yes.await.unwrap(), no.await.unwrap());
        assert!(yes != no, "round {round}: approve {yes}, deny {no}");
        assert_eq!(task.await.unwrap().is_ok(), yes, "round {round}");
        assert_eq!(world.bodies(), usize::from(yes), "round {round}");
    }
}

/// A double click, and two reviewers for one seat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_approvals_at_once_one_is_counted_and_one_body_runs() {
    for (first, second) in [("alice", "alice"), ("alice", "carol")] {
        for round in 0..50 {
            let world = world(a_senior()).await;
            let (task, request) = world.ask(export("orders", round)).await;
            let (a, b) = (request.clone(), request.clone());
            let a = tokio::spawn(async move { a.approve_as(first).await.is_ok() });
            let b = tokio::spawn(async move { b.approve_as(second).await.is_ok() });
            assert!(a.await.unwrap() != b.await.unwrap(), "round {round}");
            task.await.unwrap().unwrap();
            assert_eq!(world.bodies(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vote_after_the_requester_withdrew_is_told_so() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.gate.withdraw(request.id()).await.unwrap();
    let text = told(request.approve_as("alice").await);
    assert!(text.ends_with("the requester took it back"), "{text}");
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Withdrawn);
    let again = world.gate.withdraw(request.id()).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Withdrawn);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_after_the_yes_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    world.gate.withdraw(request.id()).await.unwrap_err();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_after_the_yes_is_told_who_said_it_and_what_to_do() {
    let world = world(a_senior()).await;
    let id = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let error = world.gate.withdraw(id).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Decided);
    assert_eq!(
        error.to_string(),
        "the request cannot be withdrawn any more: it was approved by alice, and it has not run yet: revoke the approval to take it back. Retrying will not change that."
    );
    let admitted = world.gate.resume(id, by_hand(1)).await.unwrap();
    let permit = admitted.start(&by_hand(1)).await.unwrap();
    let error = world.gate.withdraw(id).await.unwrap_err().to_string();
    assert!(
        error.contains("approved by alice, and it is executing"),
        "{error}"
    );
    permit.finish(true).await;
    let error = world.gate.withdraw(id).await.unwrap_err().to_string();
    assert!(error.contains("it has run, and succeeded"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_revoked_before_the_claim_does_not_run() {
    let world = world(a_senior()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        let reason = "the incident is over";
        world
            .gate
            .revoke(request.id(), &person("root"), reason)
            .await
            .unwrap();
        request
    };
    let (ran, request) = tokio::join!(world.run(export("orders", 1)), vote);
    let error = refusal(ran);
    assert_eq!(error.kind(), Kind::Revoked);
    assert!(
        error
            .to_string()
            .contains("by root: \"the incident is over\""),
        "{error}"
    );
    assert!(told(request.approve_as("carol").await).starts_with("root revoked the approval"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_revoked_between_claim_and_start_does_not_run() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let (gate, id) = (world.gate.clone(), request.id());
    world.store.after(Phase::Claimed, async move {
        gate.revoke(id, &person("root"), "stop").await.unwrap();
    });
    request.approve_as("alice").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Revoked);
    assert_eq!(world.phase(id).await, Phase::Revoked);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_started_cannot_be_revoked_and_says_so() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    let error = world
        .gate
        .revoke(request.id(), &person("root"), "stop")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the request is executing"),
        "{error}"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_vote_at_the_instant_of_the_deadline_is_late() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::advance(seconds(3600)).await;
    let text = told(request.approve_as("alice").await);
    assert!(text.starts_with("the request expired at "), "{text}");
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
}
