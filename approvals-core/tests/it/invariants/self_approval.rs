//! Invariant 5: nobody approves themselves.

use approvals_core::memory::Answer;
use approvals_core::review::Refused;
use approvals_core::{Choice, Kind, Requester, Requirement, Strictest, VoteError, What};

use crate::support::*;

fn has_a_part(refused: &Result<impl Sized, VoteError>) -> bool {
    matches!(refused, Err(VoteError::Refused(Refused::OwnRequest(_))))
}

#[tokio::test(start_paused = true)]
async fn the_principal_cannot_vote_on_what_their_agent_asks() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for choice in [Choice::Approve, Choice::Deny, Choice::BreakGlass] {
        let refused = not_counted(say(&request, "bob", choice, Some("mine")).await);
        assert_eq!(refused, Refused::OwnRequest(person("bob")), "{choice:?}");
    }
    assert_eq!(
        world.phase(request.id()).await,
        approvals_core::Phase::Pending
    );
    let own = |what: &What| {
        matches!(
            what,
            What::VoteRefused {
                own_request: true,
                ..
            }
        )
    };
    assert!(
        world.trail(request.id()).await.iter().any(own),
        "it is on the trail"
    );
    task.abort();
}

/// Each is told why, and counted; the trail holds what there is to know.
#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_fills_no_trail_by_clicking_on() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for _ in 0..1_000 {
        assert!(has_a_part(&request.approve_as("bob").await));
        request.approve_as("nobody-known").await.unwrap_err();
    }
    assert!(has_a_part(
        &say(&request, "bob", Choice::Deny, Some("mine")).await
    ));
    let trail = world.trail(request.id()).await;
    let refused = trail.iter().filter_map(|what| match what {
        What::VoteRefused {
            identity, choice, ..
        } => Some((identity.user.to_string(), *choice)),
        _ => None,
    });
    let expected = [
        ("bob".to_owned(), Choice::Approve),
        ("nobody-known".to_owned(), Choice::Approve),
        ("bob".to_owned(), Choice::Deny),
    ];
    assert_eq!(refused.collect::<Vec<_>>(), expected);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn the_requester_cannot_vote_through_another_channel_identity() {
    let world = world(a_senior()).await;
    world.directory.link(identity("U777"), "bob").unwrap();
    let (task, request) = world.ask(export("orders", 1)).await;
    assert!(has_a_part(&request.approve_as("U777").await));
    assert_eq!(world.bodies(), 0);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_person_who_calls_without_an_agent_cannot_approve_it() {
    let world = world(a_senior()).await;
    let call = world.run_as(
        Requester::person("alice").unwrap(),
        Body::Succeeds,
        export("orders", 1),
    );
    let task = tokio::spawn(call);
    let request = world.approver.next().await;
    assert!(has_a_part(&request.approve_as("alice").await));
    request.approve_as("carol").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_principal_of_a_long_chain_is_excluded() {
    let world = world(a_senior()).await;
    world.directory.owner("agent:planner", "carol").unwrap();
    let chain = Requester::agent("exporter")
        .unwrap()
        .acting_for("agent:planner")
        .unwrap()
        .acting_for("person:alice")
        .unwrap();
    let task = tokio::spawn(world.run_as(chain, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    assert!(
        has_a_part(&request.approve_as("alice").await),
        "the root principal"
    );
    assert!(
        has_a_part(&request.approve_as("carol").await),
        "the owner of an agent between"
    );
    request.approve_as("erin").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_an_agent_or_service_cannot_approve_its_calls() {
    let world = world(a_senior()).await;
    world.directory.owner("agent:solo", "alice").unwrap();
    world.directory.owner("service:ci", "carol").unwrap();
    let solo = Requester::agent("solo").unwrap();
    let ci = Requester::service("ci").unwrap();
    for (requester, owner, other) in [(solo, "alice", "carol"), (ci, "carol", "alice")] {
        let task = tokio::spawn(world.run_as(requester, Body::Succeeds, export("orders", 1)));
        let request = world.approver.next().await;
        assert!(has_a_part(&request.approve_as(owner).await));
        request.approve_as(other).await.unwrap();
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_became_one_after_the_request_cannot_vote() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.directory.owner("agent:exporter", "alice").unwrap();
    assert!(has_a_part(&request.approve_as("alice").await));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_voter_who_became_an_owner_before_the_quorum_does_not_count() {
    let world = world(Requirement::some_of(2, "seniors").unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    world.directory.owner("agent:exporter", "alice").unwrap();
    let record = request.approve_as("carol").await.unwrap();
    assert_eq!(
        record.state.phase(),
        approvals_core::Phase::Pending,
        "one seat is free again"
    );
    request.approve_as("erin").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_voter_who_became_an_owner_after_the_vote_is_struck_at_the_claim() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap();
        world.directory.owner("agent:exporter", "alice").unwrap();
    };
    let (ran, ()) = tokio::join!(world.run(export("orders", 1)), vote);
    let error = refusal(ran);
    assert_eq!(error.kind(), Kind::NoLongerApproved);
    assert!(
        error.to_string().contains("1 of its votes no longer count"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_administrator_is_no_exception() {
    let world = world(a_senior()).await;
    let root = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:root")
        .unwrap();
    let task = tokio::spawn(world.run_as(root, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    assert!(has_a_part(&request.approve_as("root").await));
    assert_eq!(world.bodies(), 0);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn agents_and_services_never_vote() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for who in ["exporter", "agent:exporter", "service:ci"] {
        let refused = request.approve_as(who).await;
        assert!(
            matches!(refused, Err(VoteError::UnknownPerson(_))),
            "{who}: {refused:?}"
        );
    }
    task.abort();
}

async fn proposes(world: &World, proposal: serde_json::Value, call: impl Future<Output = Ran>) {
    let proposal = proposal.as_object().unwrap().clone().into_iter().collect();
    let vote = async {
        let request = world.approver.next().await;
        let answer = Answer::deny("alice", "less").proposing(proposal);
        request.answer(answer).await.unwrap();
    };
    let error = refusal(tokio::join!(world.run(call), vote).0);
    assert!(error.proposal().is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_proposed_the_values_cannot_approve_them() {
    let world = world(a_senior()).await;
    proposes(
        &world,
        serde_json::json!({"rows": 10}),
        export("orders", 1000),
    )
    .await;
    let (task, request) = world.ask(export("orders", 10)).await;
    assert!(has_a_part(&request.approve_as("alice").await));
    request.approve_as("carol").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_proposal_written_in_another_form_is_the_same_value() {
    let world = world(a_senior()).await;
    proposes(
        &world,
        serde_json::json!({"rows": 10.0}),
        export("orders", 1000),
    )
    .await;
    let (task, request) = world.ask(export("orders", 10)).await;
    assert!(has_a_part(&request.approve_as("alice").await), "10.0 is 10");
    task.abort();
    let _ = task.await;
    proposes(
        &world,
        serde_json::json!({"rows": u64::MAX}),
        export("orders", 2000),
    )
    .await;
    let (task, request) = world.ask(export("orders", u64::MAX)).await;
    assert!(
        has_a_part(&request.approve_as("alice").await),
        "a large integer"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_shown_cannot_be_proposed_in_clear() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(secretive("t1", 1)).await;
    let secret = [("token".to_owned(), serde_json::json!("t2"))].into();
    let answer = Answer::deny("alice", "no").proposing(secret);
    assert!(matches!(
        request.answer(answer).await,
        Err(VoteError::Refused(Refused::UnknownArgument(_)))
    ));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_proposed_a_number_as_text_cannot_approve_it() {
    let world = world(a_senior()).await;
    let proposal = serde_json::json!({"rows": "10"});
    proposes(&world, proposal, export("orders", 1000)).await;
    let (task, request) = world.ask(export("orders", 10)).await;
    assert!(has_a_part(&request.approve_as("alice").await));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_proposal_for_an_argument_that_does_not_exist_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let nothing = [("nothing".to_owned(), serde_json::json!(1))].into();
    let refused = request
        .answer(Answer::deny("alice", "no").proposing(nothing))
        .await;
    assert!(matches!(
        refused,
        Err(VoteError::Refused(Refused::UnknownArgument(_)))
    ));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_is_the_principals_own_and_never_counts_as_a_review() {
    let confirm = || Requirement::confirm(seconds(60)).unwrap();
    let alone = world(confirm()).await;
    let (task, request) = alone.ask(export("orders", 1)).await;
    // Others cannot confirm for them, and nobody can review where no review is asked.
    let not_asked = Refused::NotAsked(person("alice"));
    let confirmed = say(&request, "alice", Choice::Confirm, None).await;
    assert_eq!(not_counted(confirmed), not_asked);
    let approved = request.approve_as("alice").await;
    assert_eq!(not_counted(approved), not_asked);
    assert!(has_a_part(&request.approve_as("bob").await));
    assert_eq!(alone.bodies(), 0);
    say(&request, "bob", Choice::Confirm, None).await.unwrap();
    task.await.unwrap().unwrap();

    let both = world(Strictest::of(confirm()).and(a_senior())).await;
    let (task, request) = both.ask(export("orders", 1)).await;
    let record = say(&request, "bob", Choice::Confirm, None).await.unwrap();
    assert_eq!(
        record.state.phase(),
        approvals_core::Phase::Pending,
        "no review yet"
    );
    assert!(has_a_part(&request.approve_as("bob").await));
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_where_a_review_is_asked_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for who in ["bob", "alice"] {
        let refused = not_counted(say(&request, who, Choice::Confirm, None).await);
        assert_eq!(refused, Refused::NotAsked(person(who)));
    }
    assert_eq!(
        world.phase(request.id()).await,
        approvals_core::Phase::Pending
    );
    assert_eq!(world.bodies(), 0);
    task.abort();
}
