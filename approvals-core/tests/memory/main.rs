//! What ten thousand requests take is given back when they are over, by a gate that goes on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Approver, ApproverError, CastVote, ChannelDesk, Choice, Coverage, Gate, Limits,
    Notice, Presentation, Receipt, Requester, Requirement, async_trait, requires_approval,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PARKED: usize = 10_000;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[requires_approval(policy = "exports", action = "memory.export")]
async fn export(rows: usize) -> Result<usize, ApprovalError> {
    Ok(rows)
}

/// A channel that keeps nothing of what it was handed.
#[derive(Debug)]
struct Queue(mpsc::UnboundedSender<Notice>);

#[async_trait]
impl Approver for Queue {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let gone = |_| ApproverError::for_good("nobody reviews any more");
        self.0.send(notice.clone()).map_err(gone)?;
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

struct World {
    gate: Gate,
    desk: ChannelDesk,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl World {
    async fn new() -> Self {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["seniors"]).unwrap();
        directory.person("bob", ["developers"]).unwrap();
        let requirement = Requirement::one_of("seniors").unwrap();
        let requirement = requirement.deadline(Duration::from_secs(3600)).unwrap();
        let (sender, notices) = mpsc::unbounded_channel();
        let store = Arc::new(MemoryStore::on_tokio_time());
        let mut desk = None;
        let gate = Gate::builder(store, Arc::new(directory))
            .policy("exports", requirement)
            .limits(Limits {
                pending: u32::MAX,
                asks_per_hour: u32::MAX,
                denials: u32::MAX,
                pause: Duration::from_secs(1),
                denial_stands_for: Duration::from_secs(1),
            })
            .approver("queue", |its: ChannelDesk| {
                desk = Some(its);
                Arc::new(Queue(sender))
            })
            .build()
            .await
            .unwrap();
        Self {
            gate,
            desk: desk.unwrap(),
            notices,
        }
    }

    async fn votes(&self, notice: &Notice, choice: Choice) {
        let asked = notice.asked();
        let cast = CastVote {
            request: asked.id,
            tenant: String::new(),
            user: "alice".to_owned(),
            choice,
            comment: None,
            proposal: None,
            digest: asked.digest,
            shown: asked.shown,
            revision: notice.revision(),
        };
        self.desk.vote(cast).await.unwrap();
    }

    /// Parks ten thousand calls and has them end in every way. How many ran.
    async fn wave(&mut self) -> usize {
        let bob = Requester::agent("exporter").unwrap();
        let bob = bob.acting_for("person:bob").unwrap();
        let mut callers: Vec<JoinHandle<_>> = Vec::new();
        for rows in 0..PARKED {
            let (gate, bob) = (self.gate.clone(), bob.clone());
            callers.push(tokio::spawn(async move {
                gate.scope(bob.scope(export(rows))).await
            }));
        }
        let mut notices = Vec::new();
        for _ in 0..PARKED {
            notices.push(self.notices.recv().await.unwrap());
        }
        for (place, notice) in notices.iter().enumerate() {
            match place % 5 {
                0 => self.votes(notice, Choice::Approve).await,
                1 => self.votes(notice, Choice::Deny).await,
                2 => {
                    self.gate.withdraw(notice.asked().id).await.unwrap();
                }
                _ => {}
            }
        }
        // Of the others some are given up, and the rest is never answered.
        for caller in callers.iter().step_by(7) {
            caller.abort();
        }
        tokio::time::sleep(Duration::from_secs(3660)).await;
        let mut ran = 0;
        for caller in callers {
            ran += usize::from(caller.await.is_ok_and(|done| done.is_ok()));
        }
        self.gate.flush().await;
        // A denial is remembered for a day.
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;
        ran
    }
}

/// One test, since what is allocated is counted for the whole process.
#[tokio::test(start_paused = true)]
async fn what_ten_thousand_requests_take_is_given_back_while_the_gate_goes_on() {
    let mut world = World::new().await;
    // The store remembers the last few thousand that ended, for late clicks: as many after
    // any wave.
    assert!(world.wave().await > PARKED / 10);
    let before = live();
    for _ in 0..2 {
        world.wave().await;
    }
    let after = live();
    assert!(
        after <= before + 64 * 1024,
        "{before} bytes were live, and {after} are after 20,000 more requests"
    );
    let tasks = tokio::runtime::Handle::current().metrics();
    // The gate's own; a caller that was left behind would be one more.
    assert!(tasks.num_alive_tasks() < 10);
}
