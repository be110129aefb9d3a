//! Invariant 13: only tighten.

use approvals_core::{
    Kind, Phase, Reasons, Requirement, Risk, Rules, Strictest, Verdict, policy, requires_approval,
};

use crate::support::*;

#[requires_approval(policy = "p", action = "it.risky", risk = high)]
async fn risky() -> Ran {
    Ok(0)
}

fn allow() -> Rules {
    Rules::new().allow("it.export", "exports").unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_deny_denies_whatever_others_say() {
    let deny = Rules::new().deny("it.export", "never").unwrap();
    let world = world(Strictest::of(allow()).and(a_senior()).and(deny)).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
    assert!(world.approver.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_review_reviews_whatever_others_allow() {
    let world = world(Strictest::of(allow()).and(a_senior())).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    assert_eq!(world.bodies(), 0);
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_requirement_is_a_track_that_must_be_met() {
    let security = Requirement::one_of("security").unwrap();
    let world = world(Strictest::of(a_senior()).and(security)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_denial_on_one_track_denies_all() {
    let security = Requirement::one_of("security").unwrap();
    let world = world(Strictest::of(a_senior()).and(security)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    request.deny_as("frank", "no").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn several_rules_of_one_policy_tighten_each_other() {
    let rules = Rules::new()
        .allow("it.export", "exports")
        .unwrap()
        .review_when("it.export", "large", a_senior(), |call, _| {
            call.argument("rows")
                .and_then(|rows| rows.as_u64())
                .is_none_or(|rows| rows > 100)
        })
        .unwrap();
    let world = world(rules).await;
    world.run(export("orders", 100)).await.unwrap();
    let (task, request) = world.ask(export("orders", 101)).await;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_shortest_deadline_of_all_tracks_holds() {
    let short = Requirement::one_of("security")
        .unwrap()
        .deadline(seconds(30))
        .unwrap();
    let world = world(Strictest::of(a_senior()).and(short)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("frank").await.unwrap();
    tokio::time::sleep(seconds(31)).await;
    request.approve_as("alice").await.unwrap_err();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn an_authors_risk_may_raise_what_policy_says_and_never_lower_it() {
    for (of_policy, shown) in [(Risk::Low, Risk::High), (Risk::Critical, Risk::Critical)] {
        let world = world(a_senior().at_least(of_policy)).await;
        let (task, request) = world.ask(risky()).await;
        assert_eq!(request.asked().risk, shown);
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_cannot_review_by_the_actions_name_without_the_arguments_being_shown() {
    let rules = Rules::new()
        .review("it.export", "exports", a_senior())
        .unwrap();
    let world = world(rules).await;
    let (task, request) = world.ask(export("orders", 1234)).await;
    assert!(request.presentation().to_string().contains("rows = 1234"));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn two_verdicts_of_the_same_requirement_are_one_track() {
    let once = |_: &approvals_core::Call, _: &approvals_core::Facts| {
        Verdict::review(a_senior(), Reasons::rule("again", "once more").unwrap())
    };
    let world = world(Strictest::of(a_senior()).and(policy::from_fn(once))).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    assert_eq!(request.asked().tracks.count(), 1);
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}
