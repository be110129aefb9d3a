//! What it costs to come back: as little as a look at what is there.

use approvals_core::{Kind, detached};

use super::support::restarted;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_back_is_found_by_one_question() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    let world = restarted(world, a_senior()).await;
    tokio::time::sleep(seconds(2)).await;
    world.store.questions();
    let error = refusal(world.run(detached(keyed("step", 1))).await);
    assert_eq!(error.request_id(), Some(request.id()));
    assert!(error.is_pending(), "{error}");
    assert_eq!(world.store.questions(), ["known"]);
    // What differs is told from the same answer, and judged once more where it would be opened.
    let error = refusal(world.run(detached(keyed("step", 2))).await);
    assert_ne!(error.kind(), Kind::Pending, "{error}");
    assert_eq!(world.store.questions(), ["known", "open"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_resumed_is_found_by_one_question() {
    let world = world(a_senior()).await;
    let request = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let world = restarted(world, a_senior()).await;
    tokio::time::sleep(seconds(2)).await;
    world.store.questions();
    let error = world.gate.resume(request, by_hand(1)).await.unwrap_err();
    assert!(error.is_pending(), "{error}");
    assert_eq!(world.store.questions(), ["read_with_deliveries"]);
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_judged_by_one_look_and_a_body_starts_after_one_more() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(2)).await;
    let record = world.record(request.id()).await;
    world.store.questions();
    let voted = request.approve_as("alice");
    assert_eq!(voted.await.unwrap().revision, record.revision + 1);
    task.await.unwrap().unwrap();
    let mut questions = world.store.questions();
    // The channel looks for the revision that it shows, and the worker for what its copy shows.
    questions.retain(|question| *question != "read");
    assert_eq!(questions, ["read_with_deliveries"; 3]);
}
