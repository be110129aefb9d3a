//! Break-glass: alone, with a reason, and reviewed afterwards by somebody else.

use approvals_core::review::Refused;
use approvals_core::store::Filter;
use approvals_core::{Choice, Kind, Phase, Requirement, VoteError, What};

use crate::support::*;

fn requirement() -> Requirement {
    Requirement::some_of(2, "seniors")
        .unwrap()
        .break_glass("responders")
        .unwrap()
}

async fn broken(world: &World) -> approvals_core::RequestId {
    let (task, request) = world.ask(export("orders", 1)).await;
    say(
        &request,
        "grace",
        Choice::BreakGlass,
        Some("production is down"),
    )
    .await
    .unwrap();
    task.await.unwrap().unwrap();
    request.id()
}

#[tokio::test(start_paused = true)]
async fn breaking_the_glass_needs_a_reason_and_the_group() {
    let world = world(requirement()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for reason in [None, Some(""), Some("  \n")] {
        let refused = say(&request, "grace", Choice::BreakGlass, reason).await;
        assert!(
            matches!(refused, Err(VoteError::Refused(Refused::CommentRequired))),
            "{reason:?}"
        );
    }
    let refused = say(&request, "alice", Choice::BreakGlass, Some("now")).await;
    assert!(
        matches!(refused, Err(VoteError::Refused(Refused::NotAsked(_)))),
        "not of the group"
    );
    let refused = say(&request, "bob", Choice::BreakGlass, Some("now")).await;
    assert!(
        matches!(refused, Err(VoteError::Refused(Refused::OwnRequest(_)))),
        "his own agent"
    );
    assert_eq!(world.bodies(), 0);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn without_the_clause_there_is_no_glass_to_break() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    assert!(
        say(&request, "grace", Choice::BreakGlass, Some("now"))
            .await
            .is_err()
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_broken_glass_owes_a_review_until_somebody_else_gives_it() {
    let world = world(requirement()).await;
    let id = broken(&world).await;
    let owed = || async {
        let filter = Filter {
            review_owed: true,
            ..Filter::default()
        };
        world.gate.requests(&filter, None, 10).await.unwrap().len()
    };
    assert_eq!(owed().await, 1);
    let review = |who: &'static str, comment: &'static str| {
        let gate = world.gate.clone();
        async move { gate.review_afterwards(id, &person(who), comment).await }
    };
    assert!(
        review("grace", "fine by me").await.is_err(),
        "not by who broke it"
    );
    assert!(
        review("bob", "fine by me").await.is_err(),
        "not by the requester's principal"
    );
    assert!(
        review("nobody", "fine by me").await.is_err(),
        "not by somebody unknown"
    );
    assert!(review("alice", " ").await.is_err(), "not without a word");
    assert_eq!(owed().await, 1);
    review("alice", "it had to be").await.unwrap();
    assert_eq!(owed().await, 0);
    assert!(review("carol", "twice").await.is_err());
    let trail = names(&world.trail(id).await);
    for name in ["glass_broken", "reviewed_afterwards"] {
        assert!(trail.contains(&name.to_owned()), "{trail:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_were_skipped_are_told() {
    let world = world(requirement()).await;
    let id = broken(&world).await;
    world.gate.flush().await;
    let told = world.approver.outcomes();
    assert!(told.iter().any(|(request, _)| *request == id), "{told:?}");
    let broke = |what: &What| matches!(what, What::GlassBroken { by } if *by == person("grace"));
    assert!(world.trail(id).await.iter().any(broke));
}

#[tokio::test(start_paused = true)]
async fn a_glass_broken_by_somebody_who_left_since_does_not_hold_at_the_claim() {
    let world = world(requirement()).await;
    let vote = async {
        let request = world.approver.next().await;
        say(&request, "grace", Choice::BreakGlass, Some("down"))
            .await
            .unwrap();
        world.directory.person("grace", ["interns"]).unwrap();
    };
    let (ran, ()) = tokio::join!(world.run(export("orders", 1)), vote);
    assert_eq!(refusal(ran).kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_glass_grants_no_reuse() {
    let reuse = requirement().reuse(3, seconds(600)).unwrap();
    let world = world(reuse).await;
    let id = broken(&world).await;
    assert!(world.record(id).await.grant.is_none());
    let (task, again) = world.ask(export("orders", 1)).await;
    assert_eq!(world.phase(again.id()).await, Phase::Pending);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_who_broke_the_glass_reviews_it_afterwards() {
    let by = |seniors, glass| {
        let requirement = Requirement::some_of(seniors, "seniors").unwrap();
        requirement.break_glass(glass).unwrap()
    };
    let two = approvals_core::Strictest::of(by(2, "responders")).and(by(3, "security"));
    let world = world(two).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for who in ["grace", "frank"] {
        let broke = say(&request, who, Choice::BreakGlass, Some("it is down")).await;
        broke.unwrap();
    }
    task.await.unwrap().unwrap();
    for who in ["grace", "frank"] {
        let person = person(who);
        let review = world.gate.review_afterwards(request.id(), &person, "fine");
        assert!(review.await.is_err(), "{who} broke it");
    }
    let person = person("dave");
    let review = world
        .gate
        .review_afterwards(request.id(), &person, "it had to be");
    review.await.unwrap();
}
