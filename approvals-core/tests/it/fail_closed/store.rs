//! The store and its clock.

use approvals_core::{ClockError, Kind, Phase, Rules};

use crate::support::*;

/// Whatever of the store is away, and whenever: nothing runs.
#[tokio::test(start_paused = true)]
async fn an_unreachable_store_refuses_whichever_method_fails() {
    let methods = [
        "all",
        "now",
        "open",
        "read",
        "read_with_deliveries",
        "compare_and_swap",
        "append",
        "events",
        "acknowledge",
    ];
    for method in methods {
        let world = world(a_senior()).await;
        world.store.fail(method);
        let call = tokio::time::timeout(seconds(7200), world.run(export("orders", 1)));
        let vote = async {
            let _ = world.approver.next().await.approve_as("alice").await;
        };
        let ran = tokio::select! {
            biased;
            ran = call => ran,
            () = async { vote.await; std::future::pending().await } => unreachable!(),
        };
        match ran {
            Ok(ran) => {
                let error = refusal(ran);
                assert!(
                    error.is_unavailable() || error.is_timed_out(),
                    "{method}: {error}"
                );
            }
            // A store that shows a request and cannot change it: not even the deadline can be
            // recorded.
            Err(_) => assert!(["read", "compare_and_swap"].contains(&method), "{method}"),
        }
        assert_eq!(world.bodies(), 0, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_say_what_a_key_names_refuses() {
    let world = world(a_senior()).await;
    world.store.fail("known");
    let error = refusal(world.run(keyed("step-1", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(world.approver.asked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_says_so() {
    let world = world(a_senior()).await;
    world.store.fail("all");
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.to_string().contains("the store cannot be reached"),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("You may retry later."),
        "{error}"
    );
    assert!(error.detail().unwrap().contains("the network is down"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_after_the_yes_runs_nothing() {
    for (phase, method) in [
        (Phase::Approved, "all"),
        (Phase::Approved, "compare_and_swap"),
        (Phase::Approved, "append"),
        (Phase::Claimed, "all"),
        (Phase::Claimed, "compare_and_swap"),
        (Phase::Claimed, "acknowledge"),
    ] {
        let world = world(a_senior()).await;
        let (task, request) = world.ask(export("orders", 1)).await;
        let store = world.store.clone();
        world.store.after(phase, async move { store.fail(method) });
        let _ = request.approve_as("alice").await;
        let error = refusal(task.await.unwrap());
        assert!(error.is_unavailable(), "{phase} {method}: {error}");
        assert_eq!(world.bodies(), 0, "{phase} {method}");
    }
}

/// The commit may have been made though its answer was lost: then it is in doubt, and not run.
#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_is_in_doubt_and_runs_nothing() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.store.lose_answer_of(Phase::Executing);
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(world.phase(request.id()).await, Phase::Executing);
    tokio::time::sleep(seconds(32)).await;
    assert_eq!(world.phase(request.id()).await, Phase::InDoubt);
    assert!(refusal(world.run(export("orders", 1)).await).is_in_doubt());
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_took_too_long_runs_nothing() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world
        .store
        .after(Phase::Executing, tokio::time::sleep(seconds(16)));
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(
        error.to_string().contains("took too long to start it"),
        "{error}"
    );
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Failed,
        "known not to have run"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_cannot_be_trusted_refuses() {
    let unreadable = ClockError::Unreadable("no clock".to_owned());
    let back = ClockError::Jumped {
        direction: "back",
        by: seconds(3600),
    };
    for clock in [unreadable, back] {
        let world = world(a_senior()).await;
        world.store.fail_clock(clock.clone());
        let error = refusal(world.run(export("orders", 1)).await);
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(
            error.detail().unwrap().contains(&clock.to_string()),
            "{error:?}"
        );
        assert_eq!(world.bodies(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn allowed_calls_that_are_not_being_recorded_are_refused_once_the_buffer_is_full() {
    let rules = Rules::new().allow("it.export", "exports").unwrap();
    let world = world(rules).await;
    world.store.fail("append");
    let mut ran = 0_usize;
    let error = loop {
        match world.run(export("orders", 1)).await {
            Ok(_) => ran += 1,
            Err(Failure::Refused(error)) => break error,
            Err(Failure::Body) => unreachable!(),
        }
        assert!(ran < 200_000, "nothing pushes back");
    };
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("the record of allowed calls is full"),
        "{error}"
    );
    assert_eq!(world.bodies(), ran);
    world.store.recover();
    world.gate.flush().await;
    world.run(export("orders", 1)).await.unwrap();
    world.gate.flush().await;
    assert_eq!(world.sink.events().len(), ran + 1, "every run");
}
