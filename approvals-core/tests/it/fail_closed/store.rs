//! The store and its clock.

use std::time::Duration;

use approvals_core::{ClockError, Kind, Phase, Requirement, Rules};
use approvals_testing::wrapping::STORE_METHODS;

use crate::support::*;

/// By then a call has ended whose people had a minute: a minute that nothing is recorded in, its
/// turn to look, and a look of a minute that is not answered.
const GIVEN_UP: Duration = Duration::from_secs(60 + 60 + 9 + 60);

/// One senior agrees, within a minute.
fn shortly() -> Requirement {
    a_senior().deadline(seconds(60)).unwrap()
}

/// Every method of a store, and all of them together.
fn methods() -> impl Iterator<Item = &'static str> {
    let each = STORE_METHODS.iter().map(|method| method.name());
    each.chain(["all"])
}

/// What a call that waits for people and gets its yes at once has no need of.
const NOT_NEEDED: [&str; 15] = [
    "known",
    "register_sink",
    "seal",
    "swap_seal",
    "deliveries",
    "note_delivery",
    "copies_due",
    "lease",
    "due",
    "pending_with",
    "list",
    "freeze",
    "set_freeze",
    "heartbeat",
    "archive",
];

/// Whatever of the store is away, from the beginning on: what needs it does not run, though people
/// agree where they are asked.
#[tokio::test(start_paused = true)]
async fn an_unreachable_store_refuses_whichever_method_fails() {
    for method in methods() {
        let world = world(shortly()).await;
        world.store.fail(method);
        let vote = async {
            let _ = world.approver.next().await.approve_as("alice").await;
            std::future::pending().await
        };
        let call = tokio::time::timeout(GIVEN_UP, world.run(export("orders", 1)));
        let ran = tokio::select! {
            biased;
            ran = call => ran.expect(method),
            () = vote => unreachable!(),
        };
        if NOT_NEEDED.contains(&method) {
            assert_eq!((ran.unwrap(), world.bodies()), (1, 1), "{method}");
            continue;
        }
        let error = refusal(ran);
        assert!(error.is_unavailable(), "{method}: {error}");
        assert_eq!(world.bodies(), 0, "{method}");
    }
}

/// People say nothing, and the store goes away when they have been asked: whatever of it is away,
/// and however, the call ends, soon after its deadline at the latest, and nothing runs later.
#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_while_people_are_asked_keeps_nobody_waiting_past_the_deadline() {
    let ways = |method| [("fails", method), ("hangs", method)];
    for (way, method) in methods().flat_map(ways) {
        let world = world(shortly()).await;
        let (task, request) = world.ask(export("orders", 1)).await;
        world.gate.flush().await;
        match way {
            "fails" => world.store.fail(method),
            _ => world.store.hang(method),
        }
        let case = format!("{method} {way}");
        let ended = tokio::time::timeout(GIVEN_UP, task).await;
        let error = refusal(ended.expect(&case).unwrap());
        let told = match error.kind() {
            Kind::Unavailable | Kind::TimedOut => true,
            // To others a gate that does not say that it is alive is dead.
            Kind::Withdrawn => method == "heartbeat",
            _ => false,
        };
        assert!(told, "{case}: {error}");
        world.store.recover();
        let _ = request.approve_as("alice").await;
        tokio::time::sleep(GIVEN_UP).await;
        assert_ne!(world.phase(request.id()).await, Phase::Approved, "{case}");
        assert_eq!(world.bodies(), 0, "{case}");
    }
}

/// The store tells what stands and takes no changes: the call is told so, when its deadline has
/// passed for longer than whoever minds deadlines may take.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_the_store_cannot_record_refuses_and_says_so() {
    for lasts in [false, true] {
        let world = world(shortly()).await;
        if lasts {
            world.store.durable();
        }
        for step in ["one", "two"] {
            let task = tokio::spawn(world.run(keyed(step, 1)));
            let request = world.approver.next().await;
            world.store.fail("compare_and_swap");
            let error = refusal(task.await.unwrap());
            assert_eq!(error.kind(), Kind::Unavailable);
            assert!(
                error
                    .to_string()
                    .contains("its deadline has passed, and the store could not record that"),
                "{error}"
            );
            assert!(error.detail().unwrap().contains("the network is down"));
            // Whoever comes back is told the same at once, and the outcome when it is recorded.
            let error = refusal(world.run(keyed(step, 1)).await);
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            world.store.recover();
            let error = refusal(world.run(keyed(step, 1)).await);
            assert_eq!(error.kind(), Kind::TimedOut, "{error}");
            assert_eq!(world.phase(request.id()).await, Phase::Expired);
        }
        assert_eq!(world.bodies(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_say_what_a_key_names_refuses() {
    let world = world(a_senior()).await;
    world.store.fail("known");
    let error = refusal(world.run(keyed("step-1", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(world.approver.asked().len(), 0);
    assert_eq!(world.bodies(), 0);
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
