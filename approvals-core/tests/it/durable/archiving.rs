//! What finished long ago is archived, by one of the processes that share a store.

use approvals_core::store::{Filter, RequestStore as _};
use approvals_core::{GateError, Kind, Phase};

use super::support::beside_with;
use crate::support::*;

const DAY: u64 = 24 * 3600;

/// So many days pass, in which nothing happens.
async fn days(days: u64) {
    tokio::time::advance(seconds(days * DAY)).await;
    tokio::time::sleep(seconds(30)).await;
}

async fn listed(world: &World) -> usize {
    let all = world.gate.requests(&Filter::default(), None, 10).await;
    all.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn what_finished_long_ago_is_archived_and_its_key_and_the_trail_stay() {
    let world = world_with(a_senior(), |gate| gate.archive_after(seconds(7 * DAY))).await;
    let other = beside_with(&world, a_senior(), |gate| {
        gate.archive_after(seconds(7 * DAY))
    });
    let other = other.await;
    world.approved("alice", keyed("step", 1)).await.unwrap();
    world.approved("alice", export("orders", 1)).await.unwrap();
    let before = world.sink.events().len();
    days(6).await;
    assert_eq!(listed(&world).await, 2);
    days(1).await;
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(listed(&world).await, 0);
    let error = refusal(other.run(keyed("step", 1)).await);
    assert_eq!(error.kind(), Kind::AlreadyFinished);
    assert_eq!(error.finished_before(), Some(true));
    let another = refusal(other.run(keyed("step", 2)).await);
    assert_eq!(another.kind(), Kind::Invalid, "the key names one call");
    assert_eq!(world.bodies(), 2);
    world.gate.flush().await;
    assert!(world.sink.events().len() >= before);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_archived_unless_the_gate_was_told_when() {
    let world = world(a_senior()).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    days(400).await;
    assert_eq!(listed(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_archive_is_asked_again() {
    let world = world_with(a_senior(), |gate| gate.archive_after(seconds(DAY))).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.store.fail("archive");
    days(2).await;
    assert_eq!(listed(&world).await, 1);
    world.store.recover();
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(listed(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_is_never_archived() {
    let world = world_with(a_senior(), |gate| gate.archive_after(seconds(DAY))).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    task.abort();
    let _ = task.await;
    days(90).await;
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    assert_eq!(world.store.inner.archive(seconds(0)).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn archiving_what_still_counts_is_refused_when_the_gate_is_built() {
    let world = world(a_senior()).await;
    let gate = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .archive_after(seconds(3600));
    let error = gate.build().await.unwrap_err();
    assert!(matches!(error, GateError::ArchivedTooSoon(_)));
    assert_eq!(
        error.to_string(),
        "`archive_after` is 3600s: use at least a day, since denials and proposals count for as long"
    );
}
