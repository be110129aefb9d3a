//! Which gate and which requester a call finds.

use approvals_core::{Kind, Phase, Requester, Rules, spawn};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_spawned_task_keeps_gate_and_requester() {
    let world = world(a_senior()).await;
    let bare = world.bare(export("orders", 1));
    let (task,) = world.run(async move { (spawn(bare),) }).await;
    let request = world.approver.next().await;
    assert_eq!(request.asked().call.requester(), &agent());
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_task_spawned_plainly_loses_both_and_says_what_to_use() {
    let world = world(a_senior()).await;
    let bare = world.bare(export("orders", 1));
    let (task,) = world.run(async move { (tokio::spawn(bare),) }).await;
    let error = refusal(task.await.unwrap());
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("approvals_core::spawn"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_gate_without_a_requester_refuses_and_says_what_to_do() {
    let world = world(a_senior()).await;
    let gate = world.gate.clone();
    let error = refusal(gate.scope(world.bare(export("orders", 1))).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("Requester::scope"), "{error}");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_gate_for_a_single_requester_takes_calls_that_name_none_as_its() {
    let world = world_with(a_senior(), |gate| gate.single_requester(agent())).await;
    let gate = world.gate.clone();
    let task = tokio::spawn(world.bare(async move { gate.scope(export("orders", 1)).await }));
    let request = world.approver.next().await;
    assert_eq!(request.asked().call.requester(), &agent());
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    // A call that names one is that one's.
    let named = Requester::person("carol").unwrap();
    let task = tokio::spawn(world.run_as(named.clone(), Body::Succeeds, export("orders", 2)));
    let request = world.approver.next().await;
    assert_eq!(request.asked().call.requester(), &named);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_neither_principal_nor_owner_is_refused_also_where_policy_allows() {
    let allow = || Rules::new().allow("it.export", "exports").unwrap();
    for world in [world(a_senior()).await, world(allow()).await] {
        let orphan = || Requester::agent("orphan").unwrap();
        let error = refusal(
            world
                .run_as(orphan(), Body::Succeeds, export("orders", 1))
                .await,
        );
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(
            error
                .to_string()
                .contains("acts for nobody and has no owner"),
            "{error}"
        );
        assert_eq!(world.bodies(), 0);
    }
    let world = world(allow()).await;
    world.directory.owner("agent:orphan", "alice").unwrap();
    let owned = Requester::agent("orphan").unwrap();
    world
        .run_as(owned, Body::Succeeds, export("orders", 1))
        .await
        .unwrap();
}
