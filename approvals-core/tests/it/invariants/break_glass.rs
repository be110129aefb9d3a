//! Break-glass: alone, with a reason, and reviewed afterwards by somebody else.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::review::Refused;
use approvals_core::store::Filter;
use approvals_core::{Choice, Kind, Notice, Phase, Quorum, Requirement, Stage, VoteError, What};

use crate::support::adapters::{Notices, NotingApprover};
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
    // Neither the responder nor a senior, who could have agreed.
    for who in ["grace", "alice"] {
        let refused = not_counted(say(&request, who, Choice::BreakGlass, Some("now")).await);
        assert_eq!(refused, Refused::NotAsked(person(who)));
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
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
    for (who, comment, why) in [
        ("grace", "fine by me", "grace has a part in the request"),
        ("bob", "fine by me", "bob has a part in the request"),
        ("nobody", "fine by me", "nobody that the directory knows"),
        ("alice", " ", "a reason is required"),
    ] {
        let error = review(who, comment).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{who}: {error}");
        assert!(error.to_string().contains(why), "{who}: {error}");
    }
    assert_eq!(owed().await, 1);
    review("alice", "it had to be").await.unwrap();
    assert_eq!(owed().await, 0);
    let error = review("carol", "twice").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&Refused::NothingOwed.to_string())
    );
    let trail = names(&world.trail(id).await);
    for name in ["glass_broken", "reviewed_afterwards"] {
        assert!(trail.contains(&name.to_owned()), "{trail:?}");
    }
}

/// Two seniors and one of security were asked, on two channels: each copy says that it was released
/// without them, by whom and why, and that it owes a review; also a copy that could not be updated
/// at first.
#[tokio::test(start_paused = true)]
async fn those_who_were_skipped_are_told() {
    let other = InMemoryApprover::new();
    let (here, there): (Notices, Notices) = Default::default();
    let (note_here, note_there) = (here.clone(), there.clone());
    let elsewhere = InMemoryApprover::new();
    let (first, second) = (other.clone(), elsewhere.clone());
    let stage = Stage::of(Quorum::of(2, ["seniors"]).unwrap());
    let asked = Requirement::review(stage)
        .then(Stage::of(Quorum::of(1, ["security"]).unwrap()))
        .unwrap()
        .break_glass("responders")
        .unwrap();
    let world = world_with(asked, |gate| {
        gate.approver("here", move |desk| {
            Arc::new(NotingApprover(note_here, first.connect()(desk)))
        })
        .approver("there", move |desk| {
            Arc::new(NotingApprover(note_there, second.connect()(desk)))
        })
    })
    .await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    world.gate.flush().await;
    elsewhere.away(Some("for a moment"));
    let vote = say(&request, "grace", Choice::BreakGlass, Some("it is down")).await;
    vote.unwrap();
    task.await.unwrap().unwrap();
    world.gate.flush().await;
    elsewhere.away(None);
    tokio::time::sleep(seconds(60)).await;
    let broke = |told: &Notice| {
        let mut votes = told.record().votes.iter();
        let alone = votes.any(|vote| {
            vote.choice == Choice::BreakGlass
                && vote.person == person("grace")
                && vote.comment.as_deref() == Some("it is down")
        });
        alone && told.record().review_owed == Some(person("grace"))
    };
    for (channel, notices) in [("here", here), ("there", there)] {
        let told = notices.lock().unwrap();
        assert!(!told.iter().take(1).any(broke), "{channel}: told before");
        let last = told.last().expect(channel);
        assert!(broke(last), "{channel}: {last:?}");
    }
    let broke = |what: &What| matches!(what, What::GlassBroken { by } if *by == person("grace"));
    assert!(world.trail(request.id()).await.iter().any(broke));
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
        let error = review.await.expect_err(who);
        assert!(
            error.to_string().contains("has a part in the request"),
            "{error}"
        );
    }
    let person = person("dave");
    let review = world
        .gate
        .review_afterwards(request.id(), &person, "it had to be");
    review.await.unwrap();
}
