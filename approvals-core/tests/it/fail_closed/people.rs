//! Requesters and reviewers.

use approvals_core::review::Refused;
use approvals_core::{Kind, Phase, Requester, Rules, VoteError};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_requester_whose_person_nobody_knows_refuses() {
    let world = world(a_senior()).await;
    let ghost = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:ghost")
        .unwrap();
    let error = refusal(
        world
            .run_as(ghost, Body::Succeeds, export("orders", 1))
            .await,
    );
    assert_eq!(error.kind(), Kind::Invalid);
    let text = error.to_string();
    assert!(
        text.contains("`person:ghost` is not known: add the person to the directory"),
        "{text}"
    );
    assert!(world.approver.asked().is_empty());
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_names_no_requester_refuses() {
    let world = world(Rules::new().allow("it.export", "exports").unwrap()).await;
    let gate = world.gate.clone();
    let error = refusal(gate.scope(world.bare(export("orders", 1))).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error
            .to_string()
            .contains("nobody is named as its requester"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_does_not_answer_refuses() {
    let world = world(a_senior()).await;
    world.directory.fail(Some("ldap is away"));
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("the directory cannot be reached"),
        "{error}"
    );
    assert!(error.detail().unwrap().contains("ldap is away"));
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_whom_the_directory_does_not_know_refuses() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let refused = request.approve_as("mallory").await;
    assert!(matches!(refused, Err(VoteError::UnknownPerson(_))));
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("ask an administrator to link it to a person"),
        "{text}"
    );
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_of_whom_the_directory_cannot_tell_the_group_refuses() {
    let world = world(a_senior()).await;
    world
        .directory
        .forget_membership(&person("alice"), &group("seniors"));
    let (task, request) = world.ask(export("orders", 1)).await;
    let refused = not_counted(request.approve_as("alice").await);
    assert_eq!(refused, Refused::NotAsked(person("alice")));
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_does_not_answer_about_a_reviewer_refuses_the_vote() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.directory.fail(Some("ldap is away"));
    assert!(matches!(
        request.approve_as("alice").await,
        Err(VoteError::Directory(_))
    ));
    world.directory.fail(None);
    assert_eq!(world.bodies(), 0);
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_not_asked_refuses() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let error = request.approve_as("frank").await.unwrap_err().to_string();
    assert_eq!(error, "frank is not among those who are asked now");
    assert_eq!(world.bodies(), 0);
    task.abort();
}
