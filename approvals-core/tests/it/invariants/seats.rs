//! Invariant 6: one human, one seat.

use approvals_core::review::Refused;
use approvals_core::{Audience, Kind, Phase, Quorum, Requirement, Stage, VoteError, What};

use crate::support::*;

fn quorum(count: u8, group: &str) -> Quorum {
    Quorum::of(count, [group]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_votes_of_one_human_take_one_seat() {
    let world = world(Requirement::some_of(2, "seniors").unwrap()).await;
    world.directory.link(identity("U-ALICE"), "alice").unwrap();
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    for again in ["alice", "U-ALICE"] {
        let refused = request.approve_as(again).await;
        assert!(
            matches!(refused, Err(VoteError::Refused(Refused::AlreadyVoted(_)))),
            "{again}"
        );
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    request.approve_as("carol").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_human_in_two_groups_takes_one_of_two_seats() {
    let both = Stage::of(quorum(1, "seniors")).and(quorum(1, "security"));
    let world = world(Requirement::review(both)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("erin").await.unwrap();
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Pending,
        "erin is in both groups"
    );
    assert!(request.approve_as("erin").await.is_err());
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quorum_of_two_groups_counts_humans_not_groups() {
    let either = Quorum::of(2, ["seniors", "security"]).unwrap();
    let world = world(Requirement::review(Stage::of(either))).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("erin").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
}

/// Erin could sit in either quorum: she has to take the seat that Frank leaves.
#[tokio::test(start_paused = true)]
async fn seats_are_matched_whatever_the_order_of_votes() {
    for order in [
        ["erin", "frank", "alice"],
        ["alice", "erin", "frank"],
        ["frank", "alice", "erin"],
    ] {
        let stage = Stage::of(quorum(2, "seniors")).and(quorum(1, "security"));
        let world = world(Requirement::review(stage)).await;
        let (task, request) = world.ask(export("orders", 1)).await;
        for (index, who) in order.iter().enumerate() {
            assert_eq!(
                world.phase(request.id()).await,
                Phase::Pending,
                "{order:?} {index}"
            );
            request.approve_as(who).await.unwrap();
        }
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_votes_that_cannot_be_matched_are_not_enough() {
    // Two of security are asked: Alice and Carol are not of it.
    let stage = Stage::of(quorum(1, "seniors")).and(quorum(2, "security"));
    let world = world(Requirement::review(stage)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for who in ["alice", "carol", "frank"] {
        request.approve_as(who).await.unwrap();
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    request.approve_as("erin").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn stages_are_met_in_order() {
    let requirement = a_senior().then(Stage::of(quorum(1, "leads"))).unwrap();
    let world = world(requirement).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let early = request.approve_as("dave").await;
    assert!(
        matches!(early, Err(VoteError::Refused(Refused::NotAsked(_)))),
        "{early:?}"
    );
    let early = request.deny_as("dave", "no").await;
    assert!(
        matches!(early, Err(VoteError::Refused(Refused::NotAsked(_)))),
        "only the open stage"
    );
    request.approve_as("alice").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    let late = request.approve_as("carol").await;
    assert!(
        matches!(late, Err(VoteError::Refused(Refused::NotAsked(_)))),
        "that stage is closed"
    );
    request.approve_as("dave").await.unwrap();
    task.await.unwrap().unwrap();
    let trail = names(&world.trail(request.id()).await);
    assert!(trail.contains(&"stage_opened".to_owned()), "{trail:?}");
}

#[tokio::test(start_paused = true)]
async fn one_human_does_not_sit_in_two_stages() {
    let requirement = a_senior().then(Stage::of(quorum(1, "security"))).unwrap();
    let world = world(requirement).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("erin").await.unwrap();
    let again = request.approve_as("erin").await;
    assert!(
        matches!(again, Err(VoteError::Refused(Refused::AlreadyVoted(_)))),
        "{again:?}"
    );
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
}

fn widening() -> Requirement {
    let stage = Stage::of(quorum(2, "seniors"))
        .decide_within(seconds(60))
        .unwrap()
        .escalate_to(Audience::of(["leads"]).unwrap());
    Requirement::review(stage)
}

#[tokio::test(start_paused = true)]
async fn a_widened_audience_fills_the_same_seats_and_keeps_the_votes() {
    let world = world(widening()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    assert!(request.approve_as("dave").await.is_err(), "not asked yet");
    tokio::time::sleep(seconds(61)).await;
    let record = request.approve_as("dave").await.unwrap();
    assert_eq!(record.votes.len(), 2, "alice's vote was kept");
    task.await.unwrap().unwrap();
    let widened = |what: &What| matches!(what, What::Widened { .. });
    assert!(world.trail(request.id()).await.iter().any(widened));
}

#[tokio::test(start_paused = true)]
async fn a_widened_stage_is_never_skipped() {
    let world = world(widening()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(61)).await;
    request.approve_as("dave").await.unwrap();
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Pending,
        "two seats, one vote"
    );
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    assert_eq!(world.bodies(), 0);
}
