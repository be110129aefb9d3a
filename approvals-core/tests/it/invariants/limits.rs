//! Limits that keep people from being worn down.

use approvals_core::{Kind, Limits, Phase};

use crate::support::*;

async fn limited(limits: Limits) -> World {
    world_with(a_senior(), |gate| gate.limits(limits)).await
}

#[tokio::test(start_paused = true)]
async fn a_denial_stands_with_its_comment_without_asking_again() {
    let world = world(a_senior()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.deny_as("alice", "too many rows").await.unwrap();
    };
    let error = refusal(tokio::join!(world.run(export("orders", 1)), vote).0);
    assert_eq!(error.kind(), Kind::Denied);
    for minutes in [0, 5, 4] {
        tokio::time::sleep(seconds(minutes * 60)).await;
        let error = refusal(world.run(export("orders", 1)).await);
        assert_eq!(error.kind(), Kind::NotAsked);
        assert!(
            error.to_string().contains("by alice: \"too many rows\""),
            "{error}"
        );
    }
    assert_eq!(world.approver.asked().len(), 1);
    tokio::time::sleep(seconds(61)).await;
    let (task, _) = world.ask(export("orders", 1)).await;
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_refused_repeat_does_not_prolong_the_denial() {
    let world = world(a_senior()).await;
    world.denied("alice", export("orders", 1)).await;
    tokio::time::sleep(seconds(599)).await;
    refusal(world.run(export("orders", 1)).await);
    tokio::time::sleep(seconds(1)).await;
    let (task, _) = world.ask(export("orders", 1)).await;
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_pending_at_once() {
    let world = limited(Limits {
        pending: 2,
        ..Limits::default()
    })
    .await;
    let (one, request) = world.ask(export("orders", 1)).await;
    let (two, _) = world.ask(export("orders", 2)).await;
    let error = refusal(world.run(export("orders", 3)).await);
    assert_eq!(error.kind(), Kind::NotAsked);
    assert!(error.to_string().contains("2 requests"), "{error}");
    // Another resource has its own limit, and a decision makes room.
    let (three, _) = world.ask(export("payroll", 3)).await;
    request.approve_as("alice").await.unwrap();
    one.await.unwrap().unwrap();
    let (four, _) = world.ask(export("orders", 3)).await;
    for task in [two, three, four] {
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_asked_within_an_hour() {
    let world = limited(Limits {
        asks_per_hour: 3,
        ..Limits::default()
    })
    .await;
    for rows in 0..3 {
        world
            .approved("alice", export("orders", rows))
            .await
            .unwrap();
        tokio::time::sleep(seconds(60)).await;
    }
    let error = refusal(world.run(export("orders", 9)).await);
    assert_eq!(error.kind(), Kind::NotAsked);
    assert!(error.to_string().contains("3 times"), "{error}");
    tokio::time::sleep(seconds(3600 - 179)).await;
    world.approved("alice", export("orders", 9)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn asking_pauses_after_three_denials() {
    let world = world(a_senior()).await;
    for rows in 0..3 {
        world.denied("alice", export("orders", rows)).await;
    }
    let error = refusal(world.run(export("orders", 9)).await);
    assert_eq!(error.kind(), Kind::NotAsked);
    assert!(
        error
            .to_string()
            .contains("denied 3 times: asking pauses until"),
        "{error}"
    );
    tokio::time::sleep(seconds(15 * 60)).await;
    world.approved("alice", export("orders", 9)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subagent_shares_the_limits_of_its_root_principal() {
    let world = limited(Limits {
        pending: 1,
        ..Limits::default()
    })
    .await;
    let (task, _) = world.ask(export("orders", 1)).await;
    let sub = approvals_core::Requester::agent("sub")
        .unwrap()
        .acting_for("agent:exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap();
    let error = refusal(world.run_as(sub, Body::Succeeds, export("orders", 2)).await);
    assert_eq!(error.kind(), Kind::NotAsked);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn equal_pending_calls_share_a_denial_and_never_a_yes() {
    let world = world(a_senior()).await;
    let (first, one) = world.ask(export("orders", 1)).await;
    let (second, two) = world.ask(export("orders", 1)).await;
    one.approve_as("alice").await.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(
        world.phase(two.id()).await,
        Phase::Pending,
        "a yes is for one"
    );
    let (third, _) = world.ask(export("orders", 1)).await;
    two.deny_as("carol", "once is enough").await.unwrap();
    for task in [second, third] {
        let error = refusal(task.await.unwrap());
        assert_eq!(error.kind(), Kind::Denied);
        assert_eq!(error.comment(), Some("once is enough"));
    }
    assert_eq!(world.bodies(), 1);
}

/// A crash or a store that is away between the denial and the sharing.
#[tokio::test(start_paused = true)]
async fn a_call_that_missed_a_denial_of_its_equal_does_not_run() {
    let world = world(a_senior()).await;
    let (first, one) = world.ask(export("orders", 1)).await;
    let (second, two) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(1)).await;
    world.store.fail("pending_with");
    one.deny_as("carol", "once is enough").await.unwrap();
    world.store.recover();
    assert_eq!(refusal(first.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.phase(two.id()).await, Phase::Pending, "it was missed");
    tokio::time::sleep(seconds(1)).await;
    two.approve_as("alice").await.unwrap();
    let error = refusal(second.await.unwrap());
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert!(error.to_string().contains("denied meanwhile"), "{error}");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_yes_that_was_said_before_an_equal_call_was_denied_stands() {
    let world = world_in_one_commit(a_senior()).await;
    let (first, one) = world.ask(export("orders", 1)).await;
    let (second, two) = world.ask(export("orders", 1)).await;
    world.store.before(Phase::Executing, async move {
        tokio::time::sleep(seconds(1)).await;
        two.deny_as("carol", "once is enough").await.unwrap();
    });
    one.approve_as("alice").await.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(refusal(second.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_denial_that_three_calls_share_is_one_denial() {
    let world = world(a_senior()).await;
    let mut tasks = Vec::new();
    let mut last = None;
    for _ in 0..3 {
        let (task, request) = world.ask(export("orders", 1)).await;
        tasks.push(task);
        last = Some(request);
    }
    last.unwrap().deny_as("alice", "no").await.unwrap();
    for task in tasks {
        refusal(task.await.unwrap());
    }
    // Another call of the action is still asked: people said no once.
    world.approved("alice", export("orders", 2)).await.unwrap();
}
