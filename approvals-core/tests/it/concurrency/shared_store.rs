//! Two gates on one store: what only one may do, only one does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::{Gate, Kind, Phase};

use super::support::{Counts, Time, call, gate, keyed, nth, run};

async fn one_of_two(store: &Arc<MemoryStore>, approver: &InMemoryApprover) -> Gate {
    let built = gate(store).approver("test", approver.connect()).build();
    built.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_gates_that_race_for_a_keyed_call_run_its_body_once() {
    const CALLS: usize = 300;
    let (_, store) = Time::stepped();
    let approver = InMemoryApprover::forgetful();
    let gates = [
        one_of_two(&store, &approver).await,
        one_of_two(&store, &approver).await,
    ];
    let bodies: Arc<Vec<_>> = Arc::new((0..CALLS).map(|_| AtomicUsize::new(0)).collect());
    let mut callers = Vec::new();
    for n in 0..CALLS {
        // Four callers a key, two on each gate.
        for gate in gates.iter().cycle().take(4) {
            let (gate, bodies) = (gate.clone(), Arc::clone(&bodies));
            let call = keyed("load.long", n, Some(&format!("run-1/step-{n}")));
            callers.push(tokio::spawn(async move {
                (n, run(gate, call, &bodies[n]).await)
            }));
        }
    }
    // Both gates may put it before people; whichever copy is answered, it is one request.
    let seen: Arc<Mutex<BTreeSet<_>>> = Arc::default();
    let answering = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            loop {
                let request = approver.next().await;
                let of = (nth(&request.asked().call), request.id());
                seen.lock().unwrap().insert(of);
                let _ = request.approve_as("alice").await;
            }
        }
    });
    let mut ran = vec![0; CALLS];
    for caller in callers {
        let (n, outcome) = caller.await.unwrap();
        match outcome {
            Ok(()) => ran[n] += 1,
            Err(error) => {
                assert_eq!(error.kind(), Kind::AlreadyFinished, "{error}");
                assert_eq!(error.finished_before(), Some(true));
            }
        }
    }
    answering.abort();
    assert_eq!(seen.lock().unwrap().len(), CALLS, "one request a key");
    assert!(ran.iter().all(|times| *times == 1), "one caller ran it");
    assert!(bodies.iter().all(|body| body.load(Ordering::SeqCst) == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_grant_that_two_gates_race_for_covers_as_many_runs_as_it_says() {
    let (_, store) = Time::stepped();
    let approver = InMemoryApprover::forgetful();
    let gates = [
        one_of_two(&store, &approver).await,
        one_of_two(&store, &approver).await,
    ];
    let body = Arc::new(AtomicUsize::new(0));
    let first = {
        let (gate, body) = (gates[0].clone(), Arc::clone(&body));
        tokio::spawn(async move { run(gate, call("load.grant", 1), &body).await })
    };
    approver.next().await.approve_as("alice").await.unwrap();
    first.await.unwrap().unwrap();
    let callers: Vec<_> = gates
        .iter()
        .cycle()
        .take(200)
        .map(|gate| {
            let (gate, body) = (gate.clone(), Arc::clone(&body));
            tokio::spawn(async move { run(gate, call("load.grant", 1), &body).await })
        })
        .collect();
    // Whoever finds nothing left of the grant asks again: nobody answers those.
    for _ in 0..200 - 9 {
        let _ = approver.next().await;
    }
    let mut ran = 0;
    for caller in callers {
        if caller.is_finished() {
            caller.await.unwrap().unwrap();
            ran += 1;
        } else {
            caller.abort();
            // A run that was under way when the last was asked is counted as well.
            ran += usize::from(matches!(caller.await, Ok(Ok(()))));
        }
    }
    assert_eq!(
        body.load(Ordering::SeqCst),
        10,
        "the first run and nine more"
    );
    assert!(ran <= 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_cancel_that_races_an_approval_leaves_no_request_pending_and_no_run_in_doubt() {
    const CALLS: usize = 2_000;
    let (_, store) = Time::stepped();
    let approver = InMemoryApprover::forgetful();
    let counts = Arc::new(Counts::default());
    let gate = gate(&store)
        .approver("test", approver.connect())
        .audit_sink("counts", counts.clone())
        .build()
        .await
        .unwrap();
    let body = Arc::new(AtomicUsize::new(0));
    let mut ran = 0;
    for n in 0..CALLS {
        let (with, counted) = (gate.clone(), Arc::clone(&body));
        let caller = tokio::spawn(async move { run(with, call("load.long", n), &counted).await });
        let request = approver.next().await;
        let id = request.id();
        let vote = tokio::spawn(async move { request.approve_as("alice").await });
        caller.abort();
        let voted = vote.await.unwrap().is_ok();
        let finished = matches!(caller.await, Ok(Ok(())));
        gate.flush().await;
        let count = counts.of(id);
        let decision = if voted {
            Phase::Approved
        } else {
            Phase::Withdrawn
        };
        assert_eq!(count.decisions, [decision]);
        assert_eq!(count.started, count.finished, "nothing is in doubt");
        assert!(!finished || voted);
        ran += usize::try_from(count.started).unwrap();
    }
    assert_eq!(body.load(Ordering::SeqCst), ran);
}
