//! Calls of a store that are carried out twice, and hints that do not come as they were sent.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Gate, Kind, RedactionKey};
use approvals_testing::faults::{Fault, FaultyStore, Method, Script};
use approvals_testing::sweep::HINTINGS;
use approvals_testing::wrapping::STORE_METHODS;

use crate::support::*;

/// A world whose gate shares its store with others, over a way that does what the script says.
async fn over(script: &Arc<Script>) -> World {
    let mut world = world(a_senior()).await;
    world.approver = InMemoryApprover::new();
    let store = FaultyStore::new(world.store.clone(), Arc::clone(script)).durable();
    let gate = Gate::builder(Arc::new(store), world.directory.clone())
        .policy("p", a_senior())
        .approver("chat", world.approver.connect())
        .required_audit_sink("trail", world.sink.clone())
        .redaction_key(RedactionKey::random().unwrap());
    world.gate = gate.build().await.unwrap();
    world
}

/// As by a client that sends again what it heard no answer to, whatever it is.
#[tokio::test(start_paused = true)]
async fn whatever_a_store_is_sent_twice_is_one_vote_and_at_most_one_run() {
    for method in STORE_METHODS {
        let script = Arc::new(Script::new());
        let world = over(&script).await;
        script.every(*method, Fault::Twice);
        let first = tokio::spawn(world.run(keyed("step-1", 1)));
        let request = world.approver.next().await;
        // Whoever votes may be told that they have voted already.
        let _ = request.approve_as("alice").await;
        let first = first.await.unwrap();
        let again = world.run(keyed("step-1", 1)).await;
        let runs = world.bodies();
        // A claim that was made twice is somebody else's, as far as the second answer tells.
        let wanted = usize::from(*method != Method::CompareAndSwap);
        assert_eq!(runs, wanted, "{method:?}: {first:?}, {again:?}");
        script.heal();
        let trail = names(&world.trail(request.id()).await);
        let told = |name: &str| trail.iter().filter(|told| *told == name).count();
        assert_eq!(told("voted"), 1, "{method:?}: {trail:?}");
        assert_eq!(told("approved"), 1, "{method:?}: {trail:?}");
        assert_eq!(told("started"), runs, "{method:?}: {trail:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hints_that_do_not_come_as_they_were_sent_keep_no_call_waiting() {
    for hinting in HINTINGS {
        let script = Arc::new(Script::new());
        let world = over(&script).await;
        script.hints(hinting);
        let (yes, one) = world.ask(keyed("yes", 1)).await;
        let (no, other) = world.ask(keyed("no", 2)).await;
        one.approve_as("alice").await.unwrap();
        other.deny_as("alice", "no").await.unwrap();
        let decided = tokio::time::Instant::now();
        yes.await.unwrap().unwrap();
        let refused = refusal(no.await.unwrap());
        assert_eq!(refused.kind(), Kind::Denied, "{hinting:?}");
        // Without any hint a waiter looks by itself, every eight seconds.
        assert!(decided.elapsed() < seconds(20), "{hinting:?}");
        assert_eq!(world.bodies(), 1, "{hinting:?}");
    }
}
