//! A flood of allowed calls: pushed back when it is not recorded, never lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{AuditError, AuditSink, Event, Kind, What, async_trait};
use tokio::sync::Semaphore;

use super::support::{Time, alive_tasks, call, gate, nth, until_tasks};

/// Takes events while it is let, and keeps which call each allowed.
#[derive(Debug)]
struct Slow {
    let_through: Semaphore,
    failing: AtomicBool,
    allowed: Mutex<Vec<(u64, usize)>>,
    batches: AtomicUsize,
}

impl Slow {
    fn new(batches: usize) -> Arc<Self> {
        Arc::new(Self {
            let_through: Semaphore::new(batches),
            failing: AtomicBool::new(false),
            allowed: Mutex::default(),
            batches: AtomicUsize::new(0),
        })
    }

    /// Which calls were recorded, in order of their numbers, each once.
    fn recorded(&self) -> Vec<usize> {
        let allowed = self.allowed.lock().unwrap();
        assert!(
            allowed.is_sorted_by(|a, b| a.0 < b.0),
            "in order, each once"
        );
        allowed.iter().map(|(_, n)| *n).collect()
    }
}

#[async_trait]
impl AuditSink for Slow {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(AuditError("the disk is full".to_owned()));
        }
        self.let_through.acquire().await.unwrap().forget();
        self.batches.fetch_add(1, Ordering::SeqCst);
        let mut allowed = self.allowed.lock().unwrap();
        for event in events {
            if let What::Allowed {
                call: Some(call), ..
            } = &event.what
            {
                allowed.push((event.number, nth(call)));
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_allowed_call_of_a_flood_is_recorded_once_and_in_order() {
    const CALLERS: usize = 8;
    const EACH: usize = 2_000;
    let baseline = alive_tasks();
    let (_, store) = Time::stepped();
    let sink = Slow::new(Semaphore::MAX_PERMITS);
    let gate = gate(&store)
        .approver("test", InMemoryApprover::forgetful().connect())
        .audit_sink("slow", sink.clone())
        .build()
        .await
        .unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let gate = gate.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let call = call("load.read", caller * EACH + n);
                    drop(gate.authorize(call).await.unwrap());
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    gate.flush().await;
    let recorded = sink.recorded();
    for caller in 0..CALLERS {
        let of_caller = recorded.iter().filter(|n| **n / EACH == caller).copied();
        assert!(of_caller.eq(caller * EACH..(caller + 1) * EACH), "in order");
    }
    assert_eq!(recorded.len(), CALLERS * EACH);
    drop(gate);
    until_tasks(baseline).await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_holds_allowed_calls_back_and_loses_none() {
    let (_, store) = Time::paused();
    let sink = Slow::new(0);
    let gate = gate(&store)
        .approver("test", InMemoryApprover::forgetful().connect())
        .audit_sink("slow", sink.clone())
        .build()
        .await
        .unwrap();
    // The sink's backlog and the gate's buffer take so many; the next one waits, and is refused
    // when nothing has moved for half a minute.
    let mut allowed = 0;
    let error = loop {
        match gate.authorize(call("load.read", allowed)).await {
            Ok(admitted) => drop(admitted),
            Err(error) => break error,
        }
        allowed += 1;
        if allowed % 1024 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(allowed < 300_000, "nothing holds it back");
    };
    assert!(allowed > 100_000, "{allowed} is no buffer");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(
        error.to_string(),
        "`load.read` did not run: the record of allowed calls is full and is not being written. You may retry later."
    );
    // When the sink moves again, a call that waits goes on, and everything arrives.
    let waiting = {
        let gate = gate.clone();
        tokio::spawn(async move { gate.authorize(call("load.read", allowed)).await.map(drop) })
    };
    tokio::task::yield_now().await;
    sink.let_through.add_permits(Semaphore::MAX_PERMITS / 2);
    waiting.await.unwrap().unwrap();
    gate.flush().await;
    assert!(sink.recorded().into_iter().eq(0..=allowed));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_is_offered_everything_again() {
    let (_, store) = Time::paused();
    let sink = Slow::new(Semaphore::MAX_PERMITS);
    let gate = gate(&store)
        .approver("test", InMemoryApprover::forgetful().connect())
        .audit_sink("slow", sink.clone())
        .build()
        .await
        .unwrap();
    for n in 0..5_000 {
        sink.failing.store(n % 3 == 0, Ordering::SeqCst);
        drop(gate.authorize(call("load.read", n)).await.unwrap());
        if n % 7 == 0 {
            gate.flush().await;
        }
    }
    sink.failing.store(false, Ordering::SeqCst);
    gate.flush().await;
    assert!(sink.recorded().into_iter().eq(0..5_000));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_holds_up_no_deadline() {
    let (time, store) = Time::paused();
    let sink = Slow::new(0);
    let gate = gate(&store)
        .approver("test", InMemoryApprover::forgetful().connect())
        .audit_sink("slow", sink.clone())
        .build()
        .await
        .unwrap();
    let asking = gate.authorize(call("load.short", 1));
    let (outcome, ()) = tokio::join!(asking, time.pass(Duration::from_secs(2)));
    assert_eq!(outcome.unwrap_err().kind(), Kind::TimedOut);
    assert_eq!(sink.batches.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn allowed_calls_that_wait_for_the_store_outlive_the_last_handle() {
    let baseline = alive_tasks();
    let (_, store) = Time::paused();
    let sink = Slow::new(Semaphore::MAX_PERMITS);
    let gate = gate(&store)
        .approver("test", InMemoryApprover::forgetful().connect())
        .audit_sink("slow", sink.clone())
        .build()
        .await
        .unwrap();
    for n in 0..10_000 {
        drop(gate.authorize(call("load.read", n)).await.unwrap());
    }
    drop(gate);
    until_tasks(baseline).await;
    assert!(sink.recorded().into_iter().eq(0..10_000));
}
