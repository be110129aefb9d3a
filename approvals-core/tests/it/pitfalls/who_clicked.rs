//! Whoever clicked.

use approvals_core::memory::PendingRequest;
use approvals_core::policy::RequirementError;
use approvals_core::review::Refused;
use approvals_core::{
    Audience, CastVote, ChannelId, ChannelIdentity, Choice, Desk, Digest, Kind, Phase, Quorum,
    Requester, Requirement, Stage, VoteError,
};

use crate::support::*;

fn forged(request: &PendingRequest, user: &str) -> CastVote {
    CastVote {
        request: request.id(),
        tenant: String::new(),
        user: user.to_owned(),
        choice: Choice::Approve,
        comment: None,
        proposal: None,
        digest: request.asked().digest,
        shown: request.asked().shown,
        revision: 1,
    }
}

/// Public sources: hermes-agent 6735, agentscope 2267, mcp-hangar 665.
#[tokio::test(start_paused = true)]
async fn anybody_in_the_channel_could_approve() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for who in ["dave", "frank", "grace"] {
        let refused = not_counted(request.approve_as(who).await);
        assert_eq!(refused, Refused::NotAsked(person(who)));
    }
    for who in ["stranger", "", "*", "seniors"] {
        let refused = request.approve_as(who).await;
        assert!(
            matches!(refused, Err(VoteError::UnknownPerson(_))),
            "{who:?}: {refused:?}"
        );
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
    task.abort();
}

/// A gateway for privileged access: administrators approved their own requests.
#[tokio::test(start_paused = true)]
async fn an_administrator_approved_their_own_request() {
    let world = world(Requirement::one_of("admins").unwrap()).await;
    let own = Requester::person("root").unwrap();
    let task = tokio::spawn(world.run_as(own, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    let refused = not_counted(request.approve_as("root").await);
    assert_eq!(refused, Refused::OwnRequest(person("root")));
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn one_person_in_two_groups_was_dual_approval() {
    let stage =
        Stage::of(Quorum::of(1, ["seniors"]).unwrap()).and(Quorum::of(1, ["security"]).unwrap());
    let world = world(Requirement::review(stage)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("erin").await.unwrap();
    let refused = not_counted(request.approve_as("erin").await);
    assert_eq!(refused, Refused::AlreadyVoted(person("erin")));
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    task.abort();
}

/// The count was compared with `==`, so that one vote more than enough was never enough.
#[tokio::test(start_paused = true)]
async fn more_votes_than_seats_were_not_enough() {
    let stage =
        Stage::of(Quorum::of(1, ["security"]).unwrap()).and(Quorum::of(1, ["seniors"]).unwrap());
    let world = world(Requirement::review(stage)).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for senior in ["alice", "carol", "root"] {
        request.approve_as(senior).await.unwrap();
    }
    request.approve_as("frank").await.unwrap();
    task.await.unwrap().unwrap();
}

/// Public source: MetaMask action-create-release-pr 70.
#[tokio::test(start_paused = true)]
async fn the_requester_was_a_bot_so_its_human_approved() {
    let world = world(a_senior()).await;
    world
        .directory
        .owner("service:release-bot", "alice")
        .unwrap();
    let bot = Requester::service("release-bot").unwrap();
    let task = tokio::spawn(world.run_as(bot, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    let refused = not_counted(request.approve_as("alice").await);
    assert_eq!(refused, Refused::OwnRequest(person("alice")));
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
    task.abort();
}

/// Public source: CVE-2025-11957. The engine judges, whichever way a vote came in.
#[tokio::test(start_paused = true)]
async fn a_crafted_call_of_the_interface_approved_ones_own_request() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let desk = Desk::new(world.store.clone(), world.directory.clone());
    let desk = desk.channel(ChannelId::new("test").unwrap());
    let refused = not_counted(desk.vote(forged(&request, "bob")).await);
    assert_eq!(refused, Refused::OwnRequest(person("bob")));
    // The same from somebody who is asked is a vote: it was not refused for how it was made.
    desk.vote(forged(&request, "alice")).await.unwrap();
    task.await.unwrap().unwrap();
}

/// An agent with a human's token voted through a tool: it votes as that human, who has a part.
#[tokio::test(start_paused = true)]
async fn an_agent_approved_with_its_humans_token() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for (choice, why) in [
        (Choice::Approve, Refused::OwnRequest(person("bob"))),
        (Choice::BreakGlass, Refused::OwnRequest(person("bob"))),
        // Of whom a review is asked nobody confirms anything.
        (Choice::Confirm, Refused::NotAsked(person("bob"))),
    ] {
        let refused = not_counted(say(&request, "bob", choice, Some("go on")).await);
        assert_eq!(refused, why, "{choice:?}");
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
    task.abort();
}

/// The tenant is part of a channel identity: the same user id elsewhere is nobody.
#[tokio::test(start_paused = true)]
async fn the_same_user_id_of_another_tenant_was_taken_for_the_person() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let here = ChannelIdentity::new(ChannelId::new("test").unwrap(), "T1", "U1");
    world.directory.link(here, "alice").unwrap();
    let desk = Desk::new(world.store.clone(), world.directory.clone());
    let desk = desk.channel(ChannelId::new("test").unwrap());
    let elsewhere = CastVote {
        tenant: "T2".to_owned(),
        ..forged(&request, "U1")
    };
    assert!(matches!(
        desk.vote(elsewhere).await,
        Err(VoteError::UnknownPerson(_))
    ));
    let right = CastVote {
        tenant: "T1".to_owned(),
        ..forged(&request, "U1")
    };
    desk.vote(right).await.unwrap();
    task.await.unwrap().unwrap();
}

/// Public source: openbao 3815. Groups are compared by their whole name.
#[tokio::test(start_paused = true)]
async fn a_group_of_the_same_name_in_another_namespace_was_enough() {
    let world = world(a_senior()).await;
    world
        .directory
        .person("mallory", ["other/seniors", "seniors/other", "Seniors"])
        .unwrap();
    let (task, request) = world.ask(export("orders", 1)).await;
    let refused = not_counted(request.approve_as("mallory").await);
    assert_eq!(refused, Refused::NotAsked(person("mallory")));
    assert_eq!(world.bodies(), 0);
    task.abort();
}

/// Public source: openbao 3666.
#[test]
fn zero_approvals_required_was_open() {
    let zero = Some(RequirementError::ZeroQuorum);
    assert_eq!(Quorum::of(0, ["seniors"]).err(), zero);
    assert_eq!(Requirement::some_of(0, "seniors").err(), zero);
    let nobody: [&str; 0] = [];
    let empty = Some(RequirementError::EmptyAudience);
    assert_eq!(Audience::of(nobody).err(), empty);
    assert_eq!(Quorum::of(1, nobody).err(), empty);
    let unnamed = Audience::of([""]);
    assert!(
        matches!(unnamed, Err(RequirementError::Name(_))),
        "{unnamed:?}"
    );
}

/// Public source: GHSA-m979-w9wj-qfj9.
#[tokio::test(start_paused = true)]
async fn a_group_membership_that_was_over_still_counted() {
    let world = world(Requirement::some_of(2, "seniors").unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.directory.person("alice", ["interns"]).unwrap();
    let refused = not_counted(request.approve_as("alice").await);
    assert_eq!(refused, Refused::NotAsked(person("alice")));
    request.approve_as("carol").await.unwrap();
    let vote = request.approve_as("erin");
    vote.await.unwrap();
    world.directory.person("carol", ["interns"]).unwrap();
    let error = refusal(task.await.unwrap());
    assert_eq!(error.kind(), Kind::NoLongerApproved, "{error}");
    assert_eq!(world.bodies(), 0);
}

/// Public sources: CVE-2025-1969, vercel/ai 15947. Knowing an id, or even everything that was
/// shown, is no right to vote.
#[tokio::test(start_paused = true)]
async fn possession_of_a_request_id_was_the_only_capability() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let desk = Desk::new(world.store.clone(), world.directory.clone());
    let desk = desk.channel(ChannelId::new("test").unwrap());
    let zero = Digest::from_bytes([0; 32]);
    let stranger = desk.vote(forged(&request, "stranger")).await;
    assert!(
        matches!(stranger, Err(VoteError::UnknownPerson(_))),
        "{stranger:?}"
    );
    let alice = || forged(&request, "alice");
    for (vote, why) in [
        (
            CastVote {
                digest: zero,
                shown: zero,
                ..alice()
            },
            Refused::OtherDigest,
        ),
        (
            CastVote {
                digest: zero,
                ..alice()
            },
            Refused::OtherDigest,
        ),
        (
            CastVote {
                shown: zero,
                ..alice()
            },
            Refused::OtherPresentation,
        ),
    ] {
        assert_eq!(not_counted(desk.vote(vote).await), why);
    }
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 0);
    task.abort();
}
