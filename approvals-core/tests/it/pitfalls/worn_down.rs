//! Fatigue.

use approvals_core::{Kind, Limits, Rules};

use crate::support::*;

/// Public source: breeze 3088: 25 requests in 35 minutes, all of them reads.
#[tokio::test(start_paused = true)]
async fn people_were_asked_for_every_read() {
    let rules = Rules::new()
        .allow_when("it.export", "small", |call, _| {
            call.argument("rows")
                .and_then(|rows| rows.as_u64())
                .is_some_and(|rows| rows <= 100)
        })
        .unwrap();
    let world = world(rules).await;
    for rows in 0..25 {
        world.run(export("orders", rows)).await.unwrap();
    }
    assert!(world.approver.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stubborn_agent_asked_until_somebody_gave_in() {
    let world = world(a_senior()).await;
    world.denied("alice", export("orders", 1)).await;
    for _ in 0..25 {
        assert_eq!(
            refusal(world.run(export("orders", 1)).await).kind(),
            Kind::NotAsked
        );
    }
    assert_eq!(world.approver.asked().len(), 1);
}

/// Changing a value a little does not get around it for long.
#[tokio::test(start_paused = true)]
async fn an_agent_varied_its_call_until_somebody_gave_in() {
    let world = world(a_senior()).await;
    for rows in 0..3 {
        world.denied("alice", export("orders", rows)).await;
    }
    for rows in 3..25 {
        assert_eq!(
            refusal(world.run(export("orders", rows)).await).kind(),
            Kind::NotAsked
        );
    }
    assert_eq!(world.approver.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_requests_hid_the_one_that_mattered() {
    let world = world_with(a_senior(), |gate| {
        gate.limits(Limits {
            pending: 5,
            ..Limits::default()
        })
    })
    .await;
    let mut tasks = Vec::new();
    for rows in 0..25 {
        tasks.push(tokio::spawn(world.run(export("orders", rows))));
    }
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(world.approver.asked().len(), 5);
    for task in tasks {
        task.abort();
    }
}

/// One look, one yes for several runs of exactly the same: bounded, and never a blanket yes.
#[tokio::test(start_paused = true)]
async fn the_only_way_to_be_asked_less_was_a_blanket_yes() {
    let world = world(a_senior().reuse(3, seconds(600)).unwrap()).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.run(export("orders", 1)).await.unwrap();
    world.run(export("orders", 1)).await.unwrap();
    let (task, _) = world.ask(export("orders", 1)).await;
    assert_eq!(world.bodies(), 3);
    task.abort();
}
