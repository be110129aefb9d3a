//! Callers that go away, and gates whose runtime does.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::store::Filter;
use approvals_core::{Gate, Phase, RequestStore as _, What};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn dropping_an_unkeyed_call_withdraws_its_request() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    assert_eq!(world.phase(request.id()).await, Phase::Withdrawn);
    let error = request.approve_as("alice").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the caller stopped waiting for it"),
        "{error}"
    );
    assert!(
        world
            .approver
            .outcomes()
            .contains(&(request.id(), Phase::Withdrawn)),
        "the card says so"
    );
}

/// Its caller is gone before the store has said that there is a request.
#[tokio::test(start_paused = true)]
async fn a_request_whose_opening_was_given_up_while_it_was_committed_is_withdrawn() {
    let world = world(a_senior()).await;
    world.store.slow_down("open", seconds(5));
    let task = tokio::spawn(world.run(export("orders", 1)));
    tokio::time::sleep(seconds(1)).await;
    task.abort();
    let _ = task.await;
    tokio::time::sleep(seconds(6)).await;
    let all = world.gate.requests(&Filter::default(), None, 2).await;
    let [record] = &all.unwrap()[..] else {
        panic!("it was committed, once");
    };
    assert_eq!(record.state.phase(), Phase::Withdrawn);
    assert_eq!(world.approver.asked(), [], "nobody was asked");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_keyed_call_detaches_from_its_request() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_between_claim_and_start_gives_the_claim_back() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let (admitted, record) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    drop(admitted.unwrap());
    world.gate.flush().await;
    assert_eq!(world.phase(record.id()).await, Phase::Approved);
    let released = |what: &What| matches!(what, What::ClaimReleased { .. });
    assert!(world.trail(record.id()).await.iter().any(released));
}

/// The other gate stands for a process that was killed: its heart stops.
#[tokio::test(start_paused = true)]
async fn a_dead_process_leaves_nothing_pending_for_long() {
    let world = world(a_senior()).await;
    let approver = InMemoryApprover::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (store, directory) = (world.store.clone(), world.directory.clone());
    let channel = approver.connect();
    let (sent, received) = tokio::sync::oneshot::channel();
    runtime.spawn(async move {
        let gate = Gate::builder(store, directory)
            .policy("p", a_senior())
            .approver("dead", channel)
            .build()
            .await
            .unwrap();
        sent.send(gate.clone()).unwrap();
        let _ = gate.authorize(by_hand(1)).await;
    });
    let dead = received.await.unwrap();
    let request = approver.next().await;
    // Killed without a word: nobody carries out the withdrawal that the dropped call leaves.
    runtime.shutdown_background();
    std::mem::forget(dead);
    tokio::time::sleep(seconds(62)).await;
    let record = world
        .store
        .read(request.id())
        .await
        .unwrap()
        .unwrap()
        .record;
    assert_eq!(record.state.phase(), Phase::Withdrawn);
}

fn gate_of_a_gone_runtime(approver: &InMemoryApprover) -> Gate {
    let (store, directory) = (Arc::new(MemoryStore::new()), people());
    let channel = approver.connect();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let build = Gate::builder(store, directory)
            .policy("p", a_senior())
            .approver("test", channel)
            .build();
        runtime.block_on(build).unwrap()
    })
    .join()
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_gate_whose_runtime_is_gone_asks_nobody_and_does_not_hang() {
    let approver = InMemoryApprover::new();
    let gate = gate_of_a_gone_runtime(&approver);
    let error = gate.authorize(by_hand(1)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(
        error
            .to_string()
            .contains("the runtime it was built on was shut down"),
        "{error}"
    );
    assert!(approver.asked().is_empty());
    gate.flush().await;
}

#[tokio::test]
async fn a_call_that_waits_is_told_when_the_gates_runtime_goes() {
    let approver = InMemoryApprover::new();
    let channel = approver.connect();
    let (sent, received) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let store = Arc::new(MemoryStore::new());
            let gate = Gate::builder(store, people())
                .policy("p", a_senior())
                .approver("test", channel)
                .build();
            sent.send(gate.await.unwrap()).unwrap();
            let _ = stopped.await;
        });
    });
    let gate = received.await.unwrap();
    let waits = tokio::spawn({
        let gate = gate.clone();
        async move { gate.authorize(by_hand(1)).await.map(drop) }
    });
    let request = approver.next().await;
    stop.send(()).unwrap();
    runtime.join().unwrap();
    let error = waits.await.unwrap().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the runtime it was built on was shut down"),
        "{error}"
    );
    assert!(
        request.approve_as("alice").await.is_err(),
        "and its request is taken back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_whatever_was_handed_over() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    let withdrawn = |what: &What| matches!(what, What::Withdrawn { .. });
    assert!(world.sink.about(request.id()).iter().any(withdrawn));
    // Nothing under way: it comes back at once, as often as it is called.
    futures_ready(world.gate.flush()).await;
}

async fn futures_ready(flush: impl Future<Output = ()>) {
    tokio::time::timeout(seconds(1), flush).await.unwrap();
}
