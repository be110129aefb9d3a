//! Invariant 9: late is no.

use approvals_core::{ClockError, Kind, Phase, Quorum, Requirement, Stage};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn nobody_deciding_in_time_is_a_no() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(3599)).await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    let error = refusal(task.await.unwrap());
    assert_eq!(error.kind(), Kind::TimedOut);
    assert!(
        error.is_timed_out() && !error.is_denied(),
        "told apart from a denial"
    );
    assert_eq!(world.bodies(), 0);
}

/// The worker looks once a second, and when something is due before that.
#[tokio::test(start_paused = true)]
async fn a_deadline_takes_effect_when_it_passes_and_not_at_the_next_look() {
    let world = world(a_senior().deadline(seconds(1)).unwrap()).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let asked = tokio::time::Instant::now();
    let (task, _) = world.ask(export("orders", 1)).await;
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    let waited = asked.elapsed();
    assert!(
        waited < std::time::Duration::from_millis(1_010),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_absolute_deadline_ends_whatever_the_stages_allow() {
    let day = Stage::of(Quorum::of(2, ["seniors"]).unwrap())
        .decide_within(seconds(86_400))
        .unwrap();
    let world = world(Requirement::review(day).deadline(seconds(60)).unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    request.approve_as("carol").await.unwrap_err();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn each_stage_has_its_own_time() {
    let minute = |group| {
        Stage::of(Quorum::of(1, [group]).unwrap())
            .decide_within(seconds(60))
            .unwrap()
    };
    let world = world(
        Requirement::review(minute("seniors"))
            .then(minute("leads"))
            .unwrap(),
    )
    .await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(50)).await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(50)).await;
    request.approve_as("dave").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_not_run_in_time_lapses() {
    let world = world(a_senior().execute_within(seconds(5)).unwrap()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        // The machine stops between the yes and the claim.
        tokio::time::advance(seconds(5)).await;
        request.id()
    };
    let vote = Box::pin(vote);
    let call = Box::pin(world.run(export("orders", 1)));
    let (ran, id) = biased(call, vote).await;
    let error = refusal(ran);
    assert_eq!(error.kind(), Kind::Lapsed, "{error}");
    assert_eq!(world.phase(id).await, Phase::Lapsed);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_started_in_time_lapses() {
    let world = world(a_senior().execute_within(seconds(5)).unwrap()).await;
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
    tokio::time::advance(seconds(5)).await;
    let error = admitted.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Lapsed, "{error}");
    assert_eq!(world.phase(record.id()).await, Phase::Lapsed);
}

fn jumped() -> ClockError {
    ClockError::Jumped {
        direction: "ahead",
        by: seconds(7200),
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_while_people_are_asked_lets_nobody_vote() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.store.fail_clock(jumped());
    let error = request.approve_as("alice").await.unwrap_err();
    assert!(error.to_string().contains("set the host's time"), "{error}");
    assert_eq!(world.bodies(), 0);
    world.store.recover();
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_between_claim_and_start_starts_nothing() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let store = world.store.clone();
    world
        .store
        .after(Phase::Claimed, async move { store.fail_clock(jumped()) });
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(error.is_unavailable(), "{error}");
    assert!(
        error.detail().unwrap().contains("jumped ahead"),
        "{error:?}"
    );
    assert_eq!(world.bodies(), 0);
}

/// Polls the first future, then the second to its end, and only then the first again.
async fn biased<A, B>(
    mut first: std::pin::Pin<Box<impl Future<Output = A>>>,
    second: std::pin::Pin<Box<impl Future<Output = B>>>,
) -> (A, B) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let second = second.await;
    (first.await, second)
}
