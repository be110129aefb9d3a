//! Channels that fail.

use std::sync::Arc;

use approvals_core::memory::{Answer, InMemoryApprover};
use approvals_core::{Gate, Kind, Phase};

use crate::support::adapters::PanickingApprover;
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

async fn only(panics: PanickingApprover) -> World {
    let mut world = world(a_senior()).await;
    world.gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("panics", |_| Arc::new(panics))
        .build()
        .await
        .unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_while_it_presents_refuses() {
    let world = only(PanickingApprover { covers: true }).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.detail(), Some("panics: the channel panicked"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_while_it_is_asked_what_it_shows_refuses() {
    let world = only(PanickingApprover { covers: false }).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("panics: the channel panicked"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_panics_does_not_take_another_with_it() {
    let world = world_with(a_senior(), |gate| {
        gate.approver("panics", |_| Arc::new(PanickingApprover { covers: true }))
    })
    .await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    world.approved("alice", export("orders", 2)).await.unwrap();
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
