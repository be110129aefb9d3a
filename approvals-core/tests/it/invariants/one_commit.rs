//! Where no required sink stands between a claim and a start, one commit makes both.

use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::{ApprovalError, Kind, Permit, Phase, What};

use crate::support::*;

fn is_run(what: &What) -> bool {
    matches!(what, What::Claimed { .. } | What::Started { .. })
}

#[tokio::test(start_paused = true)]
async fn a_claim_and_a_start_are_one_commit_and_two_events() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let before = world.record(request.id()).await.revision;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    let trail = world.trail(request.id()).await;
    let told = names(&trail);
    let last = told
        .iter()
        .map(String::as_str)
        .skip_while(|name| *name != "approved");
    let last: Vec<_> = last.collect();
    assert_eq!(last, ["approved", "claimed", "started", "finished"]);
    let record = world.record(request.id()).await;
    assert_eq!(record.revision, before + 3, "a vote, a start, an outcome");
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_comes_before_the_one_commit_wins() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let gate = world.gate.clone();
    world.store.before(Phase::Executing, async move {
        gate.freeze(&person("root"), "now").await.unwrap();
    });
    request.approve_as("alice").await.unwrap();
    assert!(refusal(task.await.unwrap()).is_frozen());
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    assert!(!world.trail(request.id()).await.iter().any(is_run));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_comes_before_the_one_commit_wins() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let (gate, id) = (world.gate.clone(), request.id());
    world.store.before(Phase::Executing, async move {
        gate.revoke(id, &person("root"), "a mistake").await.unwrap();
    });
    request.approve_as("alice").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Revoked);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_whose_time_to_run_ends_before_the_one_commit_lapses() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.store.before(Phase::Executing, async {
        tokio::time::sleep(seconds(600)).await;
    });
    request.approve_as("alice").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Lapsed);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn arguments_that_changed_are_never_claimed_and_stand_on_the_trail() {
    let world = world_in_one_commit(a_senior()).await;
    let rows = AtomicU64::new(10);
    let vote = async {
        let request = world.approver.next().await;
        rows.store(999_999, Ordering::SeqCst);
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (ran, id) = tokio::join!(world.run(shared(&rows)), vote);
    assert_eq!(refusal(ran).kind(), Kind::Changed);
    assert_eq!(world.bodies(), 0);
    assert_eq!(world.phase(id).await, Phase::Approved);
    let trail = world.trail(id).await;
    assert!(!trail.iter().any(is_run));
    let refused = |what: &What| {
        matches!(
            what,
            What::Refused {
                kind: Kind::Changed,
                ..
            }
        )
    };
    assert!(trail.iter().any(refused), "{trail:?}");
}

/// They were compared, and the store took its time with the start.
#[tokio::test(start_paused = true)]
async fn arguments_that_change_while_the_start_is_stored_do_not_run() {
    let world = world_in_one_commit(a_senior()).await;
    let rows = std::sync::Arc::new(AtomicU64::new(10));
    let behind = std::sync::Arc::clone(&rows);
    world.store.before(Phase::Executing, async move {
        tokio::task::yield_now().await;
        behind.store(999_999, Ordering::SeqCst);
    });
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (ran, id) = tokio::join!(world.run(shared(&rows)), vote);
    assert_eq!(refusal(ran).kind(), Kind::Changed);
    assert_eq!(world.bodies(), 0);
    assert_eq!(world.phase(id).await, Phase::Failed);
    let trail = world.trail(id).await;
    let last: Vec<_> = names(&trail).into_iter().rev().take(3).collect();
    assert_eq!(last, ["refused", "finished", "started"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_keyed_calls_one_starts_and_the_other_is_told_its_outcome() {
    let world = world_in_one_commit(a_senior()).await;
    let (first, request) = world.ask(keyed("step-1", 1)).await;
    let second = tokio::spawn(world.run(keyed("step-1", 1)));
    tokio::task::yield_now().await;
    request.approve_as("alice").await.unwrap();
    let both = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(world.bodies(), 1, "{both:?}");
    let told = both.into_iter().find(Result::is_err).unwrap();
    assert_eq!(refusal(told).kind(), Kind::AlreadyFinished);
}

/// The loser waits for the outcome also when it has captured its arguments already.
#[tokio::test(start_paused = true)]
async fn whoever_loses_the_one_commit_waits_for_the_outcome() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(keyed("step-1", 1)).await;
    let winner = world.run_to(Body::NeverEnds, keyed("step-1", 1));
    let (started, wins) = tokio::sync::oneshot::channel();
    let bodies = std::sync::Arc::clone(&world.bodies);
    world.store.before(Phase::Executing, async move {
        let winner = tokio::spawn(winner);
        while bodies.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        started.send(winner).unwrap();
    });
    request.approve_as("alice").await.unwrap();
    let winner = wins.await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    assert!(
        !task.is_finished(),
        "the body of the other is still running"
    );
    winner.abort();
    assert!(refusal(task.await.unwrap()).is_in_doubt());
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_in_one_commit_whose_answer_is_lost_is_in_doubt_and_never_run() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(keyed("step-1", 1)).await;
    world.store.lose_answer_of(Phase::Executing);
    request.approve_as("alice").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Unavailable);
    assert!(refusal(world.run(keyed("step-1", 1)).await).is_in_doubt());
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    assert_eq!(world.bodies(), 0);
}

/// Asks, has it approved, and hands the right to start over after a while.
async fn started_after(
    world: &World,
    wait: u64,
    meanwhile: impl FnOnce(),
) -> Result<Permit, ApprovalError> {
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let (admitted, _) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    let admitted = admitted.unwrap();
    meanwhile();
    tokio::time::sleep(seconds(wait)).await;
    admitted.start(&by_hand(1)).await
}

#[tokio::test(start_paused = true)]
async fn what_was_judged_a_while_ago_is_judged_again_before_it_starts() {
    let world = world_in_one_commit(a_senior()).await;
    let leaves = || world.directory.remove(&person("alice"));
    let error = started_after(&world, 20, leaves).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_start_long_after_the_yes_has_a_whole_lease() {
    let world = world_in_one_commit(a_senior()).await;
    let permit = started_after(&world, 100, || {}).await.unwrap();
    let request = permit.request_id().unwrap();
    assert_eq!(world.phase(request).await, Phase::Executing);
    tokio::time::sleep(seconds(100)).await;
    assert_eq!(world.phase(request).await, Phase::Executing);
    permit.finish(true).await;
    assert_eq!(world.phase(request).await, Phase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_resume_one_request_the_later_one_is_told_that_it_is_being_run() {
    let world = world_in_one_commit(a_senior()).await;
    let asked = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    world
        .approver
        .next()
        .await
        .approve_as("alice")
        .await
        .unwrap();
    let one = world.gate.resume(asked, by_hand(1)).await.unwrap();
    let other = world.gate.resume(asked, by_hand(1)).await.unwrap();
    let permit = one.start(&by_hand(1)).await.unwrap();
    let error = other.start(&by_hand(1)).await.unwrap_err();
    assert!(error.is_pending(), "{error}");
    permit.finish(true).await;
}
