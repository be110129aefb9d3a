//! Reuse is a grant, never the default.

use approvals_core::{Kind, Phase, RequestId, Requirement, What};

use crate::support::*;

fn three_uses() -> Requirement {
    a_senior().reuse(3, seconds(600)).unwrap()
}

/// Runs the call and says whether people were asked for it.
async fn asks(world: &World, call: impl Future<Output = Ran> + Send + 'static) -> bool {
    let before = world.approver.asked().len();
    let task = tokio::spawn(world.run(call));
    tokio::time::sleep(seconds(1)).await;
    let asked = world.approver.asked().len() > before;
    if asked {
        let _ = world.approver.next().await;
        task.abort();
        let _ = task.await;
        world.gate.flush().await;
    } else {
        task.await.unwrap().unwrap();
    }
    asked
}

async fn granted(world: &World) -> RequestId {
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    request.id()
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_shown_to_the_reviewer_and_its_uses_are_counted() {
    let world = world(three_uses()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let text = request.presentation().to_string();
    assert!(
        text.contains("a yes covers up to 3 runs of exactly this call within 10 min"),
        "{text}"
    );
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    assert!(!asks(&world, export("orders", 1)).await);
    assert!(!asks(&world, export("orders", 1)).await);
    assert_eq!(world.bodies(), 3);
    assert!(
        asks(&world, export("orders", 1)).await,
        "three uses are used"
    );
    assert_eq!(world.bodies(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_use_that_was_opened_before_a_denial_does_not_start_after_it() {
    let world = world_in_one_commit(three_uses()).await;
    let (second, two) = {
        let (first, one) = world.ask(export("orders", 1)).await;
        let equal = world.ask(export("orders", 1)).await;
        one.approve_as("alice").await.unwrap();
        first.await.unwrap().unwrap();
        equal
    };
    tokio::time::sleep(seconds(1)).await;
    world.store.before(Phase::Executing, async move {
        tokio::time::sleep(seconds(1)).await;
        two.deny_as("carol", "once is enough").await.unwrap();
    });
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert_eq!(refusal(second.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_use_is_a_request_of_its_own_that_nobody_was_asked() {
    let world = world(three_uses()).await;
    let grantor = granted(&world).await;
    assert!(!asks(&world, export("orders", 1)).await);
    let filter = approvals_core::store::Filter::default();
    let all = world.gate.requests(&filter, None, 10).await.unwrap();
    let used = all.iter().find(|record| record.id() != grantor).unwrap();
    assert_eq!(used.granted_by, Some(grantor));
    assert_eq!(used.state.phase(), Phase::Succeeded);
    assert_eq!(used.fence, 1, "claimed like any other");
    use approvals_core::RequestStore as _;
    assert!(world.store.deliveries(used.id()).await.unwrap().is_empty());
    let trail = names(&world.trail(used.id()).await);
    let expected = [
        "requested_under_grant",
        "approved",
        "claimed",
        "started",
        "finished",
    ];
    assert_eq!(trail, expected);
    let left = |what: &What| matches!(what, What::GrantUsed { uses_left: 1, .. });
    assert!(world.trail(grantor).await.iter().any(left));
}

#[tokio::test(start_paused = true)]
async fn without_a_reuse_clause_there_is_no_grant() {
    let world = world(a_senior()).await;
    granted(&world).await;
    assert!(asks(&world, export("orders", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_grant_covers_this_digest_and_no_other() {
    let world = world(three_uses()).await;
    granted(&world).await;
    assert!(asks(&world, export("orders", 2)).await);
    assert!(asks(&world, export("payroll", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_grant_covers_this_requester_and_no_other() {
    let world = world(three_uses()).await;
    granted(&world).await;
    let other = approvals_core::Requester::agent("other")
        .unwrap()
        .acting_for("person:bob")
        .unwrap();
    let task = tokio::spawn(world.run_as(other, Body::Succeeds, export("orders", 1)));
    let _ = world.approver.next().await;
    assert_eq!(world.bodies(), 1);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_grant_expires() {
    let world = world(three_uses()).await;
    granted(&world).await;
    tokio::time::sleep(seconds(600)).await;
    assert!(asks(&world, export("orders", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn using_a_grant_does_not_extend_it() {
    let world = world(three_uses()).await;
    granted(&world).await;
    tokio::time::sleep(seconds(400)).await;
    assert!(!asks(&world, export("orders", 1)).await);
    tokio::time::sleep(seconds(300)).await;
    assert!(asks(&world, export("orders", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_grant_covers_nothing_more() {
    let world = world(three_uses()).await;
    let grantor = granted(&world).await;
    world
        .gate
        .revoke(grantor, &person("root"), "enough")
        .await
        .unwrap();
    assert!(asks(&world, export("orders", 1)).await);
    assert!(
        world
            .gate
            .revoke(grantor, &person("root"), "twice")
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_the_same_call_closes_its_grant() {
    let world = world(a_senior().reuse(3, seconds(3600)).unwrap()).await;
    // Two equal calls are asked: one is approved with a grant, then the other is denied.
    let (first, one) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(1)).await;
    let (second, two) = world.ask(export("orders", 1)).await;
    one.approve_as("alice").await.unwrap();
    first.await.unwrap().unwrap();
    two.deny_as("carol", "not any more").await.unwrap();
    assert_eq!(refusal(second.await.unwrap()).kind(), Kind::Denied);
    // When the denial does not stand any more, people are asked again.
    tokio::time::sleep(seconds(601)).await;
    assert!(asks(&world, export("orders", 1)).await);
    assert_eq!(world.bodies(), 1);
}

/// The store forgets finished requests in time, but not what a grant still depends on.
#[tokio::test(start_paused = true)]
async fn a_denial_closes_a_grant_however_long_it_was_given_for() {
    let month = a_senior().reuse(3, seconds(29 * 86_400)).unwrap();
    let limits = approvals_core::Limits {
        asks_per_hour: u32::MAX,
        ..Default::default()
    };
    let world = world_with(month, |gate| gate.limits(limits)).await;
    let (first, one) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(1)).await;
    let (second, two) = world.ask(export("orders", 1)).await;
    one.approve_as("alice").await.unwrap();
    first.await.unwrap().unwrap();
    two.deny_as("carol", "not any more").await.unwrap();
    refusal(second.await.unwrap());
    tokio::time::sleep(seconds(2 * 86_400)).await;
    for rows in 0..4_200 {
        let (task, request) = world.ask(export("others", rows)).await;
        world.gate.withdraw(request.id()).await.unwrap();
        refusal(task.await.unwrap());
    }
    assert!(asks(&world, export("orders", 1)).await);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_use_that_ends_in_doubt_closes_the_grant() {
    let world = world(three_uses()).await;
    let grantor = granted(&world).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(world.bodies(), 2);
    task.abort();
    let _ = task.await;
    let closed = |what: &What| matches!(what, What::GrantClosed { .. });
    assert!(world.trail(grantor).await.iter().any(closed));
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(error.is_in_doubt());
}

#[tokio::test(start_paused = true)]
async fn a_freeze_suspends_a_grant_and_takes_no_use() {
    let world = world(three_uses()).await;
    let grantor = granted(&world).await;
    world
        .gate
        .freeze(&person("root"), "incident")
        .await
        .unwrap();
    assert!(refusal(world.run(export("orders", 1)).await).is_frozen());
    assert_eq!(world.record(grantor).await.grant.unwrap().uses_left, 2);
    world.gate.thaw(&person("root"), "over").await.unwrap();
    assert!(!asks(&world, export("orders", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_argument_ends_reuse() {
    let world = world(three_uses()).await;
    let (task, request) = world.ask(pooled("a", 1)).await;
    assert!(!request.presentation().to_string().contains("a yes covers"));
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    assert!(asks(&world, pooled("b", 1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_use_is_judged_by_who_its_voters_are_now() {
    let world = world(three_uses()).await;
    granted(&world).await;
    world.directory.remove(&person("alice"));
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_grant_of_two_tracks_needs_both_to_offer_it() {
    let security = Requirement::one_of("security").unwrap();
    let world = world(approvals_core::Strictest::of(three_uses()).and(security)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
    assert!(world.record(request.id()).await.grant.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_use_that_has_not_started_ends_with_its_grant() {
    let world = world(three_uses()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (first, grantor) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    let permit = first.unwrap().start(&by_hand(1)).await.unwrap();
    permit.finish(true).await;
    let used = world.gate.authorize(by_hand(1)).await.unwrap();
    let operator = "grace".parse().unwrap();
    let revoked = world.gate.revoke(grantor, &operator, "no more").await;
    revoked.unwrap();
    let error = used.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Revoked, "{error}");
}
