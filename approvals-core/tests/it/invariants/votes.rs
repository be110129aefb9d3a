//! Votes may be withdrawn or changed until the decision; proposals reach the agent.

use approvals_core::memory::Answer;
use approvals_core::review::Refused;
use approvals_core::{Choice, Kind, Phase, Requirement, VoteError, What};

use crate::support::*;

fn two() -> Requirement {
    Requirement::some_of(2, "seniors").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_was_withdrawn_does_not_count() {
    let world = world(two()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    say(&request, "alice", Choice::Withdrawn, None)
        .await
        .unwrap();
    request.approve_as("carol").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    // And may be given again.
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    let voted = |what: &&What| matches!(what, What::Voted { .. });
    assert_eq!(
        world.trail(request.id()).await.iter().filter(voted).count(),
        4,
        "each is an event"
    );
}

#[tokio::test(start_paused = true)]
async fn a_yes_may_become_a_no() {
    let world = world(two()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    request
        .deny_as("alice", "on second thoughts")
        .await
        .unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_old_click_does_not_undo_a_change_of_mind() {
    let world = world(two()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    say(&request, "alice", Choice::Withdrawn, None)
        .await
        .unwrap();
    // The first click arrives once more: a retried webhook.
    let replayed = request.answer_as_seen(Answer::approve("alice")).await;
    assert!(
        matches!(
            replayed,
            Err(VoteError::Refused(Refused::StaleRevision { .. }))
        ),
        "{replayed:?}"
    );
    request.approve_as("carol").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_withdraws_a_vote_that_they_have_not_cast() {
    let world = world(two()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    let refused = say(&request, "carol", Choice::Withdrawn, None).await;
    assert!(matches!(
        refused,
        Err(VoteError::Refused(Refused::NoVote(_)))
    ));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_vote_reopens_its_stage() {
    let second = approvals_core::Stage::of(approvals_core::Quorum::of(1, ["leads"]).unwrap());
    let world = world(a_senior().then(second).unwrap()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.approve_as("alice").await.unwrap();
    say(&request, "alice", Choice::Withdrawn, None)
        .await
        .unwrap();
    assert!(
        request.approve_as("dave").await.is_err(),
        "the first stage is open again"
    );
    request.approve_as("carol").await.unwrap();
    request.approve_as("dave").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn comments_are_required_where_the_requirement_says_so() {
    let world = world(a_senior().comment_on_approve().comment_on_deny()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for choice in [Choice::Approve, Choice::Deny] {
        for comment in [None, Some(" \t")] {
            let refused = say(&request, "alice", choice, comment).await;
            assert!(matches!(
                refused,
                Err(VoteError::Refused(Refused::CommentRequired))
            ));
        }
    }
    say(
        &request,
        "alice",
        Choice::Approve,
        Some("checked the ticket"),
    )
    .await
    .unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_proposal_reaches_the_agent_readable_by_a_machine() {
    let world = world(a_senior()).await;
    let proposal = [("rows".to_owned(), serde_json::json!(100))].into();
    let vote = async {
        let request = world.approver.next().await;
        let answer = Answer::deny("alice", "at most a hundred").proposing(proposal);
        request.answer(answer).await.unwrap();
    };
    let error = refusal(tokio::join!(world.run(export("orders", 5000)), vote).0);
    assert_eq!(error.proposal().unwrap()["rows"], 100);
    assert_eq!(error.denied_by(), Some(&person("alice")));
    assert_eq!(error.comment(), Some("at most a hundred"));
    assert!(
        error
            .to_string()
            .contains(r#"These values would be agreed to: {"rows":100}"#),
        "{error}"
    );
    // The repeat learns the same.
    let error = refusal(world.run(export("orders", 5000)).await);
    assert_eq!(error.proposal().unwrap()["rows"], 100);
    // The new values are a new call that others approve.
    world
        .approved("carol", export("orders", 100))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_proposal_goes_with_a_denial_only() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let proposal = [("rows".to_owned(), serde_json::json!(1_000_000))].into();
    let refused = request
        .answer(Answer::approve("alice").proposing(proposal))
        .await;
    assert!(matches!(
        refused,
        Err(VoteError::Refused(Refused::ProposalWithoutDenial))
    ));
    assert_eq!(world.bodies(), 0);
    task.abort();
}
