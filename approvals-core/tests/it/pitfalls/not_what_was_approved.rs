//! Approved is not what ran.

use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::memory::Answer;
use approvals_core::{Kind, Phase, Requester, requires_approval};

use crate::support::*;

/// Public sources: chrono-synth-os 407, suna 5107, pydantic-ai 6968.
#[tokio::test(start_paused = true)]
async fn approved_for_ten_and_ran_for_a_million() {
    let world = world(a_senior()).await;
    let amount = AtomicU64::new(10);
    let vote = async {
        let request = world.approver.next().await;
        assert!(request.presentation().to_string().contains("rows = 10"));
        request.approve_as("alice").await.unwrap();
        amount.store(999_999, Ordering::SeqCst);
    };
    let (ran, ()) = tokio::join!(world.run(shared(&amount)), vote);
    assert_eq!(refusal(ran).kind(), Kind::Changed);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_was_replayed_without_limit() {
    let world = world(a_senior()).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    for _ in 0..10 {
        let task = tokio::spawn(world.run(export("orders", 1)));
        let request = world.approver.next().await;
        assert_eq!(world.phase(request.id()).await, Phase::Pending);
        task.abort();
        let _ = task.await;
        world.gate.flush().await;
    }
    assert_eq!(world.bodies(), 1);
}

mod before {
    use super::*;
    #[requires_approval(policy = "p", action = "it.swapped")]
    pub(super) async fn tool(path: &str) -> Ran {
        let _ = path;
        Ok(0)
    }
}

mod after {
    use super::*;
    #[requires_approval(policy = "p", action = "it.swapped", version = 2)]
    pub(super) async fn tool(path: &str) -> Ran {
        let _ = path;
        Ok(0)
    }
}

/// Public source: CVE-2025-54136. The declared signature and version are part of what was approved.
#[tokio::test(start_paused = true)]
async fn a_tool_was_swapped_after_its_approval_was_remembered() {
    let world = world(a_senior().reuse(5, seconds(600)).unwrap()).await;
    world.approved("alice", before::tool("/tmp")).await.unwrap();
    let (task, request) = world.ask(after::tool("/tmp")).await;
    assert_eq!(
        world.phase(request.id()).await,
        Phase::Pending,
        "the grant is not for this one"
    );
    task.abort();
}

/// Public sources: langchain 40172, mastra 19633. A decision names its request, not its place.
#[tokio::test(start_paused = true)]
async fn a_decision_hit_the_most_recent_call() {
    let world = world(a_senior()).await;
    let (first, one) = world.ask(export("orders", 1)).await;
    let (second, two) = world.ask(export("orders", 2)).await;
    let (third, three) = world.ask(export("orders", 3)).await;
    two.deny_as("alice", "not this one").await.unwrap();
    three.approve_as("alice").await.unwrap();
    assert_eq!(
        refusal(second.await.unwrap()).comment(),
        Some("not this one")
    );
    third.await.unwrap().unwrap();
    assert_eq!(world.phase(one.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 1);
    first.abort();
}

/// Public source: mastra 20470.
#[tokio::test(start_paused = true)]
async fn a_decline_executed_the_tool_when_the_run_was_resumed() {
    let world = world(a_senior()).await;
    let (first, request) = world.ask(keyed("step", 1)).await;
    first.abort();
    let _ = first.await;
    request.deny_as("alice", "no").await.unwrap();
    // The host resumes the run under the same key.
    let error = refusal(world.run(keyed("step", 1)).await);
    assert!(error.is_denied());
    assert_eq!(world.bodies(), 0);
}

/// An edit is a denial with a proposal: nothing runs until the caller asks with the new values.
#[tokio::test(start_paused = true)]
async fn an_edited_command_was_discarded_and_the_original_ran() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1000)).await;
    let edited = [("rows".to_owned(), serde_json::json!(10))].into();
    request
        .answer(Answer::deny("alice", "ten").proposing(edited))
        .await
        .unwrap();
    let error = refusal(task.await.unwrap());
    assert_eq!(error.proposal().unwrap()["rows"], 10);
    assert_eq!(world.bodies(), 0);
}

/// Public source: patchwork-os 1602. What is hashed is what runs, not what is shown.
#[tokio::test(start_paused = true)]
async fn calls_that_look_alike_once_redacted_shared_an_approval() {
    let world = world(a_senior().reuse(5, seconds(600)).unwrap()).await;
    world
        .approved("alice", secretive("token-of-alice", 1))
        .await
        .unwrap();
    let (task, request) = world.ask(secretive("token-of-mallory", 1)).await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 1);
    task.abort();
}

#[requires_approval(policy = "p", action = "it.optional")]
async fn optional(table: Option<&str>, list: &[u64]) -> Ran {
    let _ = (table, list);
    Ok(0)
}

/// Public source: agent-framework 6486.
#[tokio::test(start_paused = true)]
async fn null_against_empty_widened_an_approval_to_the_whole_tool() {
    let world = world(a_senior().reuse(50, seconds(600)).unwrap()).await;
    world.approved("alice", optional(None, &[])).await.unwrap();
    for call in [
        optional(Some(""), &[]),
        optional(Some("null"), &[]),
        optional(None, &[0]),
    ] {
        let task = tokio::spawn(world.run(call));
        let request = world.approver.next().await;
        assert_eq!(world.phase(request.id()).await, Phase::Pending);
        task.abort();
    }
}

/// Public source: vercel/ai 17493: a MAC over fields joined by line feeds.
#[tokio::test(start_paused = true)]
async fn fields_that_ran_into_each_other_had_one_digest() {
    let world = world(a_senior()).await;
    let (one, first) = world.ask(two_texts("a\nb", "c")).await;
    let (two, second) = world.ask(two_texts("a", "b\nc")).await;
    assert_ne!(first.asked().digest, second.asked().digest);
    one.abort();
    two.abort();
}

#[requires_approval(policy = "p", action = "it.texts")]
async fn two_texts(one: &str, two: &str) -> Ran {
    let _ = (one, two);
    Ok(0)
}

/// Public sources: opencode 9554, openai-agents-python 4256.
#[tokio::test(start_paused = true)]
async fn always_allow_was_remembered_for_every_argument_and_everybody() {
    let world = world(a_senior().reuse(100, seconds(600)).unwrap()).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    let (other_arguments, _) = world.ask(export("orders", 2)).await;
    let somebody = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:dave")
        .unwrap();
    let other_person = tokio::spawn(world.run_as(somebody, Body::Succeeds, export("orders", 1)));
    let request = world.approver.next().await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    assert_eq!(world.bodies(), 1);
    other_arguments.abort();
    other_person.abort();
}
