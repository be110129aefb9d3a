//! What it costs to come back: as little as a look at what is there.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::{
    ApprovalError, Call, Facts, Gate, Kind, Phase, RequestStore, Rules, StoreError, detached,
    requires_approval,
};
use approvals_testing::faults::Method;
use approvals_testing::wrapping::{Wrapping, WrapsStore};

use super::support::restarted;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_back_is_found_by_one_question() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    let world = restarted(world, a_senior()).await;
    tokio::time::sleep(seconds(2)).await;
    world.store.questions();
    let error = refusal(world.run(detached(keyed("step", 1))).await);
    assert_eq!(error.request_id(), Some(request.id()));
    assert!(error.is_pending(), "{error}");
    assert_eq!(world.store.questions(), ["known"]);
    // What differs is told from the same answer, and judged once more where it would be opened.
    let error = refusal(world.run(detached(keyed("step", 2))).await);
    assert_ne!(error.kind(), Kind::Pending, "{error}");
    assert_eq!(world.store.questions(), ["known", "open"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_resumed_is_found_by_one_question() {
    let world = world(a_senior()).await;
    let request = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let world = restarted(world, a_senior()).await;
    tokio::time::sleep(seconds(2)).await;
    world.store.questions();
    let error = world.gate.resume(request, by_hand(1)).await.unwrap_err();
    assert!(error.is_pending(), "{error}");
    assert_eq!(world.store.questions(), ["read_with_deliveries"]);
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_judged_by_one_look_and_a_body_starts_after_one_more() {
    let world = world_in_one_commit(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(2)).await;
    let record = world.record(request.id()).await;
    world.store.questions();
    let voted = request.approve_as("alice");
    assert_eq!(voted.await.unwrap().revision, record.revision + 1);
    task.await.unwrap().unwrap();
    let mut questions = world.store.questions();
    // The channel looks for the revision that it shows, and the worker for what its copy shows.
    questions.retain(|question| *question != "read");
    assert_eq!(questions, ["read_with_deliveries"; 3]);
}

/// A store behind a network: no answer is there at once.
#[derive(Debug, Default)]
struct Remote {
    inner: MemoryStore,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl WrapsStore for Remote {
    fn inner(&self) -> &dyn RequestStore {
        &self.inner
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn around<T: Send>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if method != Method::Now {
            return call.await;
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let answer = call.await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        answer
    }
}

/// What is given up on its way costs the connection that it was on.
#[tokio::test(start_paused = true)]
async fn no_question_to_a_remote_store_is_given_up() {
    let store = Arc::new(Wrapping(Remote::default()));
    // What is judged by its arguments is judged at this time.
    let none = |call: &Call, _: &Facts| call.argument("nothing").is_some();
    let rules = Rules::new().allow_when("it.export", "none", none).unwrap();
    let gate = Gate::builder(Arc::<Wrapping<Remote>>::clone(&store), people())
        .policy("p", rules)
        .approver("test", InMemoryApprover::new().connect())
        .build()
        .await
        .unwrap();
    for rows in 0..5 {
        let requester = agent();
        let call = gate.scope(requester.scope(export("orders", rows)));
        assert_eq!(refusal(call.await).kind(), Kind::DeniedByPolicy);
    }
    tokio::time::sleep(seconds(1)).await;
    let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    assert!(count(&store.begun) >= 5);
    assert_eq!(count(&store.begun), count(&store.ended));
}

/// Whose body takes a moment.
#[requires_approval(policy = "p", action = "it.slow_export")]
async fn slow_export(rows: u32) -> Result<u32, ApprovalError> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    Ok(rows)
}

/// Whoever waits for a yes has a remote store to itself in the meantime.
#[tokio::test(start_paused = true)]
async fn what_changes_in_a_remote_store_within_a_moment_is_shown_once() {
    let people_see = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(Wrapping(Remote::default())), people())
        .policy("p", a_senior())
        .approver("test", people_see.connect())
        .build()
        .await
        .unwrap();
    let requester = agent();
    let called = gate.scope(requester.scope(slow_export(7)));
    let agreed = async {
        let request = people_see.next().await;
        // Until it is noted that people see it.
        tokio::time::sleep(seconds(1)).await;
        request.approve_as("alice").await.unwrap();
    };
    assert_eq!(tokio::join!(called, agreed).0.unwrap(), 7);
    tokio::time::sleep(seconds(1)).await;
    let shown: Vec<Phase> = people_see.outcomes().into_iter().map(|of| of.1).collect();
    assert_eq!(shown, [Phase::Succeeded]);
}
