//! Copies of requests on channels show what the requests have become.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use approvals_core::memory::InMemoryApprover;
use approvals_core::{
    Approver, ApproverError, ChannelDesk, Coverage, Notice, Phase, Presentation, Receipt,
    RequestId, async_trait,
};
use tokio::sync::Semaphore;

use super::support::{Time, call, gate};

/// A channel that posts and updates only when it is let, one message at a time.
#[derive(Debug)]
struct Board {
    posts: Semaphore,
    updates: Semaphore,
    shows: Mutex<HashMap<RequestId, Vec<(u64, Phase)>>>,
}

impl Board {
    fn new(posts: usize, updates: usize) -> Arc<Self> {
        Arc::new(Self {
            posts: Semaphore::new(posts),
            updates: Semaphore::new(updates),
            shows: Mutex::default(),
        })
    }

    fn show(&self, notice: &Notice) {
        let mut shows = self.shows.lock().unwrap();
        let shown = (notice.revision(), notice.state().phase());
        shows.entry(notice.asked().id).or_default().push(shown);
    }

    fn connect(self: &Arc<Self>) -> impl FnOnce(ChannelDesk) -> Arc<Self> + use<> {
        let board = Arc::clone(self);
        move |_| board
    }

    /// Fails when the copies do not come to show this.
    async fn until_all_show(&self, phase: Phase) {
        for _ in 0..10_000 {
            if self.last().iter().all(|shown| *shown == phase) {
                return;
            }
            tokio::task::yield_now().await;
        }
        let last = self.last();
        let others = last.iter().filter(|shown| **shown != phase);
        panic!(
            "{} of {} copies do not show {phase}",
            others.count(),
            last.len()
        );
    }

    /// What each copy shows in the end. None ever went back.
    fn last(&self) -> Vec<Phase> {
        let shows = self.shows.lock().unwrap();
        let last = |shown: &Vec<(u64, Phase)>| {
            assert!(shown.is_sorted(), "an older form came after a newer one");
            shown.last().unwrap().1
        };
        shows.values().map(last).collect()
    }
}

#[async_trait]
impl Approver for Board {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.posts.acquire().await.unwrap().forget();
        self.show(notice);
        Ok(Receipt::handle("message"))
    }

    async fn update(&self, notice: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        self.updates.acquire().await.unwrap().forget();
        self.show(notice);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_missed_thousands_of_changes_updates_every_copy() {
    const MANY: usize = 6_000;
    let (_, store) = Time::paused();
    let (approver, board) = (InMemoryApprover::forgetful(), Board::new(MANY, 10 * MANY));
    let gate = gate(&store)
        .approver("test", approver.connect())
        .approver("board", board.connect())
        .build()
        .await
        .unwrap();
    let callers: Vec<_> = (0..MANY)
        .map(|n| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.authorize(call("load.long", n)).await.map(drop) })
        })
        .collect();
    let mut requests = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        requests.push(approver.next().await);
    }
    // More changes at once than the worker can be told of, and a flush in the middle of them.
    for (n, request) in requests.iter().enumerate() {
        request.deny_as("alice", "no").await.unwrap();
        if n == MANY - 100 {
            gate.flush().await;
        }
    }
    for caller in callers {
        caller.await.unwrap().unwrap_err();
    }
    gate.flush().await;
    assert_eq!(board.last().len(), MANY);
    board.until_all_show(Phase::Denied).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_still_being_posted_shows_the_outcome_in_the_end() {
    let (_, store) = Time::paused();
    let (approver, board) = (InMemoryApprover::new(), Board::new(0, 10));
    let gate = gate(&store)
        .approver("test", approver.connect())
        .approver("board", board.connect())
        .build()
        .await
        .unwrap();
    let deny = async { approver.next().await.deny_as("alice", "no").await.unwrap() };
    let (denied, _) = tokio::join!(gate.authorize(call("load.long", 1)), deny);
    denied.unwrap_err();
    gate.flush().await;
    assert_eq!(board.last(), []);
    board.posts.add_permits(1);
    while board.last().is_empty() {
        tokio::task::yield_now().await;
    }
    board.until_all_show(Phase::Denied).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_channel_is_shown_the_last_form_after_the_ones_before() {
    let (_, store) = Time::paused();
    let (approver, board) = (InMemoryApprover::new(), Board::new(1, 0));
    let gate = gate(&store)
        .approver("test", approver.connect())
        .approver("board", board.connect())
        .build()
        .await
        .unwrap();
    let again = call("load.long", 1);
    let approve = async { approver.next().await.approve_as("alice").await.unwrap() };
    let (admitted, _) = tokio::join!(gate.authorize(again.clone()), approve);
    let permit = admitted.unwrap().start(&again).await.unwrap();
    gate.flush().await;
    permit.finish(true).await;
    gate.flush().await;
    assert_eq!(board.last(), [Phase::Pending]);
    board.updates.add_permits(10);
    board.until_all_show(Phase::Succeeded).await;
    // What came between was not worth a message of its own.
    assert!(board.updates.available_permits() >= 8);
}

/// A channel whose messages spread with every change.
#[derive(Debug, Default)]
struct Spreading {
    receipts: Mutex<Vec<String>>,
}

#[async_trait]
impl Approver for Spreading {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        Ok(Receipt::handle("one"))
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Err(ApproverError::for_good("it is followed instead"))
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        let known = receipt.as_str().unwrap_or_default().to_owned();
        self.receipts.lock().unwrap().push(known.clone());
        let further = format!("{known} and {}", notice.state().phase());
        Ok(Some(Receipt::handle(&further)))
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_channel_went_on_to_is_kept_for_the_next_change() {
    let (_, store) = Time::paused();
    let (approver, spreading) = (InMemoryApprover::new(), Arc::new(Spreading::default()));
    let connected = Arc::clone(&spreading);
    let gate = gate(&store)
        .approver("test", approver.connect())
        .approver("spreading", |_| connected)
        .build()
        .await
        .unwrap();
    let again = call("load.long", 1);
    let approve = async { approver.next().await.approve_as("alice").await.unwrap() };
    let (admitted, _) = tokio::join!(gate.authorize(again.clone()), approve);
    gate.flush().await;
    let permit = admitted.unwrap().start(&again).await.unwrap();
    gate.flush().await;
    permit.finish(true).await;
    gate.flush().await;
    let receipts = spreading.receipts.lock().unwrap().clone();
    assert!(receipts.len() >= 2, "{receipts:?}");
    assert_eq!(receipts[0], "one");
    for pair in receipts.windows(2) {
        assert!(
            pair[1].starts_with(&format!("{} and ", pair[0])),
            "{receipts:?}"
        );
    }
}
