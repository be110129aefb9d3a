//! Invariant 10: valid now, not then.

use approvals_core::{ApprovalError, Kind, Policy, Reasons, Requirement, Verdict, What};

use crate::support::adapters::Changing;
use crate::support::*;

fn verdict_of(requirement: Requirement) -> Verdict {
    Verdict::review(requirement, Reasons::rule("then", "as it was").unwrap())
}

fn why() -> Reasons {
    Reasons::rule("now", "the rule of today").unwrap()
}

/// Asks, has these people approve, changes something, and only then lets the caller go on.
async fn changed_after_the_yes(
    world: &World,
    voters: &[&str],
    change: impl FnOnce(),
) -> Result<u64, ApprovalError> {
    let vote = async {
        let request = world.approver.next().await;
        for who in voters {
            request.approve_as(who).await.unwrap();
        }
        change();
    };
    match tokio::join!(world.run(export("orders", 1)), vote).0 {
        Ok(n) => Ok(n),
        Err(Failure::Refused(error)) => Err(error),
        Err(Failure::Body) => panic!("the body failed"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_voter_who_left_the_group_is_struck() {
    let world = world(a_senior()).await;
    let leave = || world.directory.person("alice", ["interns"]).unwrap();
    let error = changed_after_the_yes(&world, &["alice"], leave)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_voter_who_was_removed_is_struck() {
    let world = world(a_senior()).await;
    let remove = || world.directory.remove(&person("alice"));
    let error = changed_after_the_yes(&world, &["alice"], remove)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_voter_whose_channel_identity_is_somebody_elses_now_is_struck() {
    let world = world(a_senior()).await;
    let relink = || world.directory.link(identity("alice"), "carol").unwrap();
    let error = changed_after_the_yes(&world, &["alice"], relink)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_the_directory_cannot_tell_any_more_is_none() {
    let world = world(a_senior()).await;
    let forget = || {
        world
            .directory
            .forget_membership(&person("alice"), &group("seniors"))
    };
    let error = changed_after_the_yes(&world, &["alice"], forget)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_asked_again_refuses() {
    let world = world(a_senior()).await;
    let away = || world.directory.fail(Some("ldap is away"));
    let error = changed_after_the_yes(&world, &["alice"], away)
        .await
        .unwrap_err();
    assert!(error.is_unavailable());
    assert!(error.detail().unwrap().contains("ldap is away"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_struck_vote_is_made_up_for_by_another_one() {
    let either = approvals_core::Stage::of(approvals_core::Quorum::of(1, ["seniors"]).unwrap());
    let world = world(
        Requirement::review(either)
            .then(approvals_core::Stage::of(
                approvals_core::Quorum::of(1, ["leads"]).unwrap(),
            ))
            .unwrap(),
    )
    .await;
    let leave = || world.directory.person("alice", ["interns"]).unwrap();
    let error = changed_after_the_yes(&world, &["alice", "dave"], leave)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no longer"),
        "one stage of two: {error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_denies_by_now_denies() {
    let policy = Changing::new(&a_senior(), verdict_of(a_senior()));
    let world = world(policy.clone()).await;
    let deny = || policy.to(Verdict::Deny(why()));
    let error = changed_after_the_yes(&world, &["alice"], deny)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert!(error.to_string().contains("the rule of today"), "{error}");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_asks_more_by_now_is_not_met() {
    let policy = Changing::new(&a_senior(), verdict_of(a_senior()));
    let world = world(policy.clone()).await;
    let two = Requirement::some_of(2, "seniors").unwrap();
    let stricter = || policy.to(Verdict::review(two, why()));
    let error = changed_after_the_yes(&world, &["alice"], stricter)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert!(
        error.to_string().contains("what policy asks now"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_asks_another_group_is_met_by_a_voter_who_is_in_it() {
    for (voter, runs) in [("erin", true), ("alice", false)] {
        let policy = Changing::new(&a_senior(), verdict_of(a_senior()));
        let world = world(policy.clone()).await;
        let security = Requirement::one_of("security").unwrap();
        let other = || policy.to(Verdict::review(security, why()));
        let ran = changed_after_the_yes(&world, &[voter], other).await;
        assert_eq!(ran.is_ok(), runs, "{voter}: {ran:?}");
        assert_eq!(world.bodies(), usize::from(runs));
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_allows_by_now_still_needs_the_yes_that_was_asked() {
    let policy = Changing::new(&a_senior(), verdict_of(a_senior()));
    let world = world(policy.clone()).await;
    let allow_and_leave = || {
        policy.to(Verdict::Allow(why()));
        world.directory.remove(&person("alice"));
    };
    let error = changed_after_the_yes(&world, &["alice"], allow_and_leave)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    let policy = Changing::new(&a_senior(), verdict_of(a_senior()));
    let world = crate::support::world(policy.clone()).await;
    let allow = || policy.to(Verdict::Allow(why()));
    changed_after_the_yes(&world, &["alice"], allow)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_voter_who_left_while_others_are_still_asked_no_longer_counts_at_the_claim() {
    let two = Requirement::some_of(2, "seniors").unwrap();
    let world = world(two).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    world.directory.remove(&person("alice"));
    request.approve_as("carol").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::NoLongerApproved);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn how_many_votes_were_struck_is_on_the_trail() {
    let stage = approvals_core::Quorum::of(1, ["seniors"]).unwrap();
    let glass = Requirement::review(approvals_core::Stage::of(stage))
        .break_glass("responders")
        .unwrap();
    assert!(
        glass
            .mentions()
            .reviewer_groups
            .contains(&group("responders"))
    );
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    let none = |what: &What| matches!(what, What::Claimed { struck: 0, .. });
    assert!(world.trail(request.id()).await.iter().any(none));
}
