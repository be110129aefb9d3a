//! Invariant 7: single use, and what has no outcome is in doubt.

use approvals_core::{Kind, Phase, RequestStore, What};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn one_approval_runs_one_body() {
    let world = world(a_senior()).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    // The same call again asks again: nobody answers, nothing runs.
    let task = tokio::spawn(world.run(export("orders", 1)));
    let again = world.approver.next().await;
    assert_eq!(world.phase(again.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 1);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_second_claim_and_a_second_start_are_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step-1", 1)).await;
    let second = tokio::spawn(world.run(keyed("step-1", 1)));
    tokio::task::yield_now().await;
    request.approve_as("alice").await.unwrap();
    let (first, second) = (task.await.unwrap(), second.await.unwrap());
    assert_eq!(world.bodies(), 1, "{first:?} {second:?}");
    let (ran, told): (Vec<_>, Vec<_>) = [first, second].into_iter().partition(Result::is_ok);
    assert_eq!(ran.len(), 1);
    let told = refusal(told.into_iter().next().unwrap());
    assert_eq!(told.kind(), Kind::AlreadyFinished, "{told}");
    let starts = world.trail(request.id()).await;
    assert_eq!(
        starts
            .iter()
            .filter(|what| matches!(what, What::Started { .. }))
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn an_approved_request_that_nobody_waits_for_any_more_is_not_run_by_a_repeat() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    // The caller goes just as the yes comes.
    request.approve_as("alice").await.unwrap();
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    let (again, other) = world.ask(export("orders", 1)).await;
    assert_ne!(other.id(), request.id());
    assert_eq!(world.bodies(), 0);
    again.abort();
    tokio::time::sleep(seconds(601)).await;
    assert_eq!(world.phase(request.id()).await, Phase::Lapsed);
}

async fn left_in_doubt(world: &World) -> approvals_core::RequestId {
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    while world.bodies() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.phase(request.id()).await, Phase::Executing);
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    request.id()
}

#[tokio::test(start_paused = true)]
async fn a_dropped_body_is_in_doubt_and_its_digest_refused_until_a_person_resolves_it() {
    let world = world(a_senior()).await;
    let id = left_in_doubt(&world).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(error.is_in_doubt(), "{error}");
    assert_eq!(error.request_id(), Some(id));
    assert!(
        error.to_string().contains("a person has to find out"),
        "{error}"
    );
    // Another digest is another call.
    world.approved("alice", export("orders", 2)).await.unwrap();
    world
        .gate
        .resolve(id, &person("alice"), "  ", false)
        .await
        .unwrap_err();
    world
        .gate
        .resolve(id, &person("alice"), "no rows were written", false)
        .await
        .unwrap();
    assert_eq!(world.phase(id).await, Phase::Failed);
    world.approved("alice", export("orders", 1)).await.unwrap();
    let resolved = |what: &What| {
        matches!(
            what,
            What::Resolved {
                succeeded: false,
                ..
            }
        )
    };
    assert!(world.trail(id).await.iter().any(resolved));
}

/// Two equal calls were asked at once. One may have run: the yes to the other was given before
/// anybody could know that.
#[tokio::test(start_paused = true)]
async fn an_equal_call_that_was_asked_before_the_doubt_is_refused_too() {
    let world = world(a_senior()).await;
    let (twin, twins_request) = world.ask(export("orders", 1)).await;
    left_in_doubt(&world).await;
    twins_request.approve_as("alice").await.unwrap_err();
    let error = refusal(twin.await.unwrap());
    assert_eq!(error.kind(), Kind::Withdrawn);
    assert!(
        error
            .to_string()
            .contains("an equal call may have run meanwhile"),
        "{error}"
    );
    assert_eq!(world.bodies(), 1);
    assert!(refusal(world.run(export("orders", 1)).await).is_in_doubt());
}

#[tokio::test(start_paused = true)]
async fn a_panic_goes_on_unwinding_and_leaves_the_call_in_doubt() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::Panics, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let panic = task.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body panics"));
    world.gate.flush().await;
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    let why = |what: &What| matches!(what, What::InDoubt { why } if &**why == "the body panicked");
    assert!(world.trail(request.id()).await.iter().any(why));
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_action_in_doubt_may_be_retried_and_reviewers_are_told() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, sync(1)));
    let first = world.approver.next().await;
    assert!(first.presentation().warnings.is_empty());
    first.approve_as("alice").await.unwrap();
    while world.bodies() == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    let (retried, second) = world.ask(sync(1)).await;
    let text = second.presentation().to_string();
    assert!(
        text.contains(&format!("may have run already as {}", first.id())),
        "{text}"
    );
    assert_eq!(second.asked().shown, second.presentation().hash());
    second.approve_as("alice").await.unwrap();
    retried.await.unwrap().unwrap();
    assert_eq!(world.bodies(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_body_is_an_outcome_and_not_a_doubt() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::Fails, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    assert!(matches!(task.await.unwrap(), Err(Failure::Body)));
    assert_eq!(world.phase(request.id()).await, Phase::Failed);
}

/// The gate renews while the body runs, and the lease of a gate that is gone runs out.
#[tokio::test(start_paused = true)]
async fn a_long_body_keeps_its_lease_and_a_lost_one_is_in_doubt() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Executing,
        "renewed for an hour"
    );
    world.store.fail("compare_and_swap");
    tokio::time::sleep(seconds(60)).await;
    world.store.recover();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_the_worker_waits_for_a_slow_answer() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, export("orders", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let other = world.gate.ask(by_hand(2)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(5)).await;
    world.store.slow_down("read_with_deliveries", seconds(3600));
    world.gate.withdraw(other).await.unwrap();
    tokio::time::sleep(seconds(600)).await;
    let record = world.record(request.id()).await;
    let now = world.store.now().await.unwrap();
    assert!(
        record.due_at().is_some_and(|until| until > now),
        "{record:?}"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_of_the_time_when_the_body_ended() {
    let world = world(a_senior()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (admitted, id) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    let permit = admitted.unwrap().start(&by_hand(1)).await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    let ended = world.store.now().await.unwrap();
    permit.finish(true).await;
    assert_eq!(world.record(id).await.changed_at, ended);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_comes_after_the_doubt_is_kept_as_evidence_and_changes_nothing() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let call = world.gate.authorize(by_hand(1));
    let (admitted, record) = tokio::join!(call, vote);
    let permit = admitted.unwrap().start(&by_hand(1)).await.unwrap();
    world.store.fail("compare_and_swap");
    tokio::time::sleep(seconds(60)).await;
    world.store.recover();
    tokio::time::sleep(seconds(2)).await;
    permit.finish(true).await;
    assert_eq!(world.phase(record.id()).await, Phase::InDoubt);
    let late = |what: &What| {
        matches!(
            what,
            What::FinishedLate {
                succeeded: true,
                ..
            }
        )
    };
    assert!(world.trail(record.id()).await.iter().any(late));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_before_the_start_goes_back_to_approved() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let (admitted, record) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    let admitted = admitted.unwrap();
    tokio::time::sleep(seconds(31)).await;
    assert_eq!(world.phase(record.id()).await, Phase::Approved);
    let error = admitted.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(world.phase(record.id()).await, Phase::Approved);
}

/// A host names the same call twice. The first may have run; the other was approved before that.
#[tokio::test(start_paused = true)]
async fn an_approved_call_under_another_key_is_refused_while_an_equal_one_is_in_doubt() {
    let world = world(a_senior()).await;
    let ask = |key: &'static str| {
        let gate = world.gate.clone();
        tokio::spawn(async move { gate.authorize(by_hand_keyed(1, key)).await })
    };
    let other = ask("two");
    let others_request = world.approver.next().await;
    other.abort();
    others_request.approve_as("alice").await.unwrap();
    let first = ask("one");
    world
        .approver
        .next()
        .await
        .approve_as("alice")
        .await
        .unwrap();
    let permit = first
        .await
        .unwrap()
        .unwrap()
        .start(&by_hand(1))
        .await
        .unwrap();
    drop(permit);
    world.gate.flush().await;
    let error = ask("two").await.unwrap().unwrap_err();
    assert!(error.is_in_doubt(), "{error}");
    assert_eq!(world.phase(others_request.id()).await, Phase::Approved);
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_does_not_start_while_an_equal_one_is_in_doubt() {
    let world = world(a_senior()).await;
    let votes = async {
        for _ in 0..2 {
            let request = world.approver.next().await;
            request.approve_as("alice").await.unwrap();
        }
    };
    let (first, second, ()) = tokio::join!(
        world.gate.authorize(by_hand(1)),
        world.gate.authorize(by_hand(1)),
        votes
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    let permit = first.start(&by_hand(1)).await.unwrap();
    // What the first did nobody will ever say.
    drop(permit);
    world.gate.flush().await;
    let error = second.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InDoubt, "{error}");
}
