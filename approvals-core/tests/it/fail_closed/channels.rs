//! Channels that fail.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use approvals_core::memory::{Answer, InMemoryApprover};
use approvals_core::store::Filter;
use approvals_core::{CastVote, Choice, Gate, GateBuilder, Kind, Phase, Requirement};

use crate::support::adapters::{PanickingApprover, Panics};
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_request_that_every_channel_failed_to_show_refuses() {
    let other = InMemoryApprover::new();
    other.fail(Some("the token was revoked"));
    let world = world_with(a_senior(), |gate| gate.approver("other", other.connect())).await;
    world.approver.fail(Some("rate limited"));
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("no channel could put it before people"),
        "{error}"
    );
    let detail = error.detail().unwrap();
    assert!(
        detail.contains("test: rate limited") && detail.contains("other: the token was revoked")
    );
    let id = error.request_id().unwrap();
    assert_eq!(
        world.phase(id).await,
        Phase::Withdrawn,
        "nothing is left pending"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_channel_that_works_is_enough() {
    let broken = InMemoryApprover::new();
    broken.fail(Some("away"));
    let world = world_with(a_senior(), |gate| gate.approver("broken", broken.connect())).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
}

async fn only(at: Panics) -> World {
    let mut world = world(a_senior()).await;
    world.gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("panics", move |_| Arc::new(PanickingApprover::new(at).0))
        .build()
        .await
        .unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_while_it_presents_refuses() {
    let world = only(Panics::Presenting).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.detail(), Some("panics: the channel panicked"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_while_it_is_asked_what_it_shows_refuses() {
    let world = only(Panics::Covering).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("panics: the channel panicked"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

/// Wherever it panics, the other channel's yes counts, and its copy shows what became of it.
#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_does_not_take_another_with_it() {
    for at in [
        Panics::Covering,
        Panics::Presenting,
        Panics::Updating,
        Panics::Following,
    ] {
        let (panics, panicked) = PanickingApprover::new(at);
        let with = |gate: GateBuilder| gate.approver("panics", move |_| Arc::new(panics));
        let world = world_with(a_senior(), with).await;
        for rows in [1, 2] {
            world
                .approved("alice", export("orders", rows))
                .await
                .unwrap();
            world.gate.flush().await;
            assert!(panicked.load(Ordering::SeqCst) >= 1, "{at:?}");
        }
        tokio::time::sleep(seconds(5)).await;
        let shown = world.approver.outcomes();
        let done = shown.iter().filter(|(_, p)| *p == Phase::Succeeded).count();
        assert_eq!(done, 2, "{at:?}: {shown:?}");
        assert_eq!(world.bodies(), 2, "{at:?}");
    }
}

/// The only channel panics when it is to show what became of a request: that is no decision, and
/// the deadline ends what nobody decided.
#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_while_it_updates_decides_nothing() {
    for at in [Panics::Updating, Panics::Following] {
        let (panics, panicked) = PanickingApprover::new(at);
        let mut world = world(a_senior()).await;
        let two = || Requirement::some_of(2, "seniors").unwrap();
        let panics = Arc::new(panics);
        let shows = panics.clone();
        let desk = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&desk);
        world.gate = Gate::builder(world.store.clone(), world.directory.clone())
            .policy("p", two())
            .approver("panics", move |desk| {
                *kept.lock().unwrap() = Some(desk);
                shows
            })
            .build()
            .await
            .unwrap();
        let task = tokio::spawn(world.run(export("orders", 1)));
        tokio::time::sleep(seconds(1)).await;
        let pending = world.gate.requests(&Filter::default(), None, 2).await;
        let pending = pending.unwrap();
        let desk = desk.lock().unwrap().take().unwrap();
        let vote = CastVote {
            request: pending[0].id(),
            tenant: String::new(),
            user: "alice".to_owned(),
            choice: Choice::Approve,
            comment: None,
            proposal: None,
            digest: pending[0].asked.digest,
            shown: pending[0].asked.shown,
            revision: 1,
        };
        desk.vote(vote).await.unwrap();
        let error = refusal(task.await.unwrap());
        assert_eq!(error.kind(), Kind::TimedOut, "{at:?}: {error}");
        assert!(panicked.load(Ordering::SeqCst) >= 1, "{at:?}");
        assert_eq!(world.bodies(), 0, "{at:?}");
    }
}

/// An answer that a test set ahead and that does not count fails the channel, with the reason:
/// waiting for a timeout would hide it.
#[tokio::test(start_paused = true)]
async fn a_scripted_answer_that_does_not_count_refuses_with_the_reason() {
    let world = world(a_senior()).await;
    world.approver.script([Answer::approve("bob")]);
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    let detail = error.detail().unwrap();
    assert!(
        detail.contains("bob has a part in the request and cannot review it"),
        "{detail}"
    );
    assert_eq!(world.bodies(), 0);
}
