//! Channels whose copies are in one process alone: each process minds its own.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Gate, Limits, Phase, RequestId};

use super::support::beside;
use crate::support::adapters::LocalApprover;
use crate::support::*;

/// A process at a terminal of its own, on the store of a world.
async fn terminal(world: &World) -> (Gate, InMemoryApprover) {
    let approver = InMemoryApprover::new();
    let connect = approver.connect();
    let gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .limits(Limits {
            pending: 1_000,
            asks_per_hour: 1_000,
            ..Limits::default()
        })
        .approver("terminal", |desk| Arc::new(LocalApprover(connect(desk))));
    (gate.build().await.unwrap(), approver)
}

async fn phase(gate: &Gate, id: RequestId) -> Phase {
    gate.request(id).await.unwrap().state.phase()
}

#[tokio::test(start_paused = true)]
async fn a_second_terminal_asks_for_what_the_first_one_showed() {
    let world = world(a_senior()).await;
    let (first, one) = terminal(&world).await;
    let id = first.ask(by_hand_keyed(1, "run-1")).await.unwrap().unwrap();
    assert_eq!(one.asked().len(), 1);
    let (second, two) = terminal(&world).await;
    for _ in 0..3 {
        let call = by_hand_keyed(1, "run-1");
        assert!(second.resume(id, call).await.unwrap_err().is_pending());
        tokio::time::sleep(seconds(60)).await;
    }
    assert_eq!(two.asked().len(), 1, "shown here too, once");
    two.next().await.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(phase(&first, id).await, Phase::Approved);
    for terminal in [&one, &two] {
        assert_eq!(terminal.outcomes(), [(id, Phase::Approved)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_shows_what_another_process_decided_also_without_a_hint() {
    let world = world(a_senior()).await;
    let (gate, here) = terminal(&world).await;
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    let shown = here.next().await;
    let mut elsewhere = beside(&world, a_senior()).await;
    elsewhere.store = Arc::new(world.store.of_another_process());
    let (there, two) = terminal(&elsewhere).await;
    let call = by_hand(1);
    assert!(there.resume(id, call).await.unwrap_err().is_pending());
    drop(shown);
    two.next().await.deny_as("alice", "no").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    assert_eq!(here.outcomes(), [(id, Phase::Denied)]);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_could_not_show_what_was_asked_without_waiting_is_tried_again() {
    let world = world(a_senior()).await;
    let (gate, here) = terminal(&world).await;
    here.away(Some("the terminal is busy"));
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(here.asked().len(), 0);
    here.away(None);
    let shown = here.next().await;
    assert_eq!(shown.id(), id);
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(here.asked().len(), 1, "shown once");
}

#[tokio::test(start_paused = true)]
async fn copies_at_terminals_of_other_processes_do_not_stand_in_the_way() {
    let world = world(a_senior()).await;
    let (gone, other) = terminal(&world).await;
    other.away(Some("the terminal is busy"));
    // More than are worked on at a time, and never to be worked on by anybody else.
    for rows in 0..100 {
        let call = by_hand_keyed(rows, &format!("run-{rows}"));
        gone.ask(call).await.unwrap();
    }
    drop(gone);
    let (gate, here) = terminal(&world).await;
    here.away(Some("the terminal is busy"));
    let id = gate.ask(by_hand(1_000)).await;
    here.away(None);
    tokio::time::sleep(seconds(5)).await;
    let asked = here.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(Some(asked[0].id), id.unwrap());
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(here.asked().len(), 1);
}
