//! A gate that goes away while a thousand wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::store::{Filter, RequestStore as _};
use approvals_core::{Gate, Phase};
use tokio::task::JoinHandle;

use super::support::{Time, alive_tasks, call, gate, run, until_none, until_tasks};

const WAITING: usize = 1_000;

struct Crowd {
    store: Arc<MemoryStore>,
    approver: InMemoryApprover,
    gate: Gate,
    body: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Result<(), approvals_core::ApprovalError>>>,
}

async fn crowd(store: Arc<MemoryStore>) -> Crowd {
    let approver = InMemoryApprover::new();
    let built = gate(&store).approver("test", approver.connect()).build();
    let gate = built.await.unwrap();
    let body = Arc::new(AtomicUsize::new(0));
    let callers = (0..WAITING)
        .map(|n| {
            let (gate, body) = (gate.clone(), Arc::clone(&body));
            tokio::spawn(async move { run(gate, call("load.long", n), &body).await })
        })
        .collect();
    Crowd {
        store,
        approver,
        gate,
        body,
        callers,
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_on_a_gate_that_its_owner_dropped_is_still_served() {
    let crowd = crowd(Time::paused().1).await;
    let baseline = alive_tasks() - crowd.callers.len() - 1;
    drop(crowd.gate);
    for _ in 0..WAITING {
        crowd
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap();
    }
    for caller in crowd.callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(crowd.body.load(Ordering::SeqCst), WAITING);
    until_tasks(baseline).await;
    assert_eq!(crowd.store.hints().watched(), 0);
}

#[tokio::test(start_paused = true)]
async fn when_everybody_leaves_at_once_every_request_is_withdrawn_and_every_copy_says_so() {
    let crowd = crowd(Time::paused().1).await;
    let baseline = alive_tasks() - crowd.callers.len() - 1;
    for _ in 0..WAITING {
        let _ = crowd.approver.next().await;
    }
    drop(crowd.gate);
    for caller in &crowd.callers {
        caller.abort();
    }
    for caller in crowd.callers {
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    until_tasks(baseline).await;
    let left = Filter {
        phases: vec![Phase::Pending],
        ..Filter::default()
    };
    assert_eq!(crowd.store.list(&left, None, 1).await.unwrap().len(), 0);
    let outcomes = crowd.approver.outcomes();
    let withdrawn = outcomes
        .iter()
        .filter(|(_, phase)| *phase == Phase::Withdrawn);
    assert_eq!(withdrawn.count(), WAITING);
    assert_eq!(crowd.body.load(Ordering::SeqCst), 0);
    assert_eq!(crowd.store.hints().watched(), 0);
}

/// The runtime of a process that dies takes its gate along without a word.
#[test]
fn requests_of_a_process_that_died_are_withdrawn_by_another_gate() {
    let (time, store) = Time::stepped();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let approver = first.block_on(async {
        let crowd = crowd(Arc::clone(&store)).await;
        for _ in 0..WAITING {
            let _ = crowd.approver.next().await;
        }
        // Held beyond the runtime: nothing is dropped in good order.
        std::mem::forget(crowd.gate);
        crowd.approver
    });
    first.shutdown_background();
    drop(approver);
    runtime().block_on(async {
        let other = InMemoryApprover::forgetful();
        let built = gate(&store).approver("test", other.connect()).build();
        let gate = built.await.unwrap();
        time.pass(Duration::from_secs(31)).await;
        until_none(&store, &[Phase::Pending]).await;
        drop(gate);
    });
}
