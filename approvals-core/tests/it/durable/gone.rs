//! A channel that had shown a request, and where nobody sees it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use approvals_core::memory::InMemoryApprover;
use approvals_core::{
    Approver, ApproverError, Coverage, Gate, Kind, Notice, Phase, Presentation, Receipt,
    Requirement, async_trait,
};

use crate::support::*;

/// A channel whose messages somebody takes away.
#[derive(Debug, Default)]
struct Board {
    after: AtomicU8,
}

const THERE: u8 = 0;
const GONE: u8 = 1;
const FIXED: u8 = 2;

#[async_trait]
impl Approver for Board {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        Ok(Receipt::handle("message 1"))
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        match self.after.load(Ordering::SeqCst) {
            THERE => Ok(()),
            GONE => Err(ApproverError::gone("somebody took the message away")),
            _ => Err(ApproverError::for_good("the message cannot be changed")),
        }
    }
}

fn two_seniors() -> Requirement {
    Requirement::some_of(2, "seniors").unwrap()
}

/// A gate that asks on a board, with another channel beside where `others` are to see it.
async fn on_a_board(world: &World, board: &Arc<Board>, others: Option<&InMemoryApprover>) -> Gate {
    let desk = approvals_core::Desk::new(world.store.clone(), world.directory.clone());
    let shown = Arc::clone(board);
    let mut gate = Gate::with_desk(desk)
        .policy("p", two_seniors())
        .approver("board", |_| shown);
    if let Some(others) = others {
        gate = gate.approver("others", others.connect());
    }
    gate.build().await.unwrap()
}

/// A vote that comes from the board.
async fn vote(world: &World, id: approvals_core::RequestId, who: &str) {
    let record = world.record(id).await;
    let channel = approvals_core::ChannelId::new("board").unwrap();
    let board = approvals_core::ChannelIdentity::new(channel.clone(), "", who);
    world.directory.link(board, who).unwrap();
    let desk = approvals_core::Desk::new(world.store.clone(), world.directory.clone());
    let cast = approvals_core::CastVote {
        request: id,
        tenant: String::new(),
        user: who.to_owned(),
        choice: approvals_core::Choice::Approve,
        comment: None,
        proposal: None,
        digest: record.asked.digest,
        shown: record.asked.shown,
        revision: record.revision,
    };
    desk.channel(channel).vote(cast).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_only_message_was_taken_away_is_refused_with_the_cause() {
    let world = world(two_seniors()).await;
    let board = Arc::new(Board::default());
    let gate = on_a_board(&world, &board, None).await;
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(1)).await;
    board.after.store(GONE, Ordering::SeqCst);
    vote(&world, id, "alice").await;
    tokio::time::sleep(seconds(5)).await;
    let told = gate.resume(id, by_hand(1)).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Unavailable, "{told}");
    let why = "board: somebody took the message away";
    assert_eq!(told.detail(), Some(why));
    assert_eq!(world.phase(id).await, Phase::Withdrawn);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_taken_away_is_no_loss_where_others_see_the_request() {
    let world = world(two_seniors()).await;
    let (board, others) = (Arc::new(Board::default()), InMemoryApprover::new());
    let gate = on_a_board(&world, &board, Some(&others)).await;
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    let shown = others.next().await;
    board.after.store(GONE, Ordering::SeqCst);
    vote(&world, id, "alice").await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.phase(id).await, Phase::Pending);
    shown.approve_as("carol").await.unwrap();
    assert_eq!(world.phase(id).await, Phase::Approved);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stays_as_it_was_is_still_there_to_be_answered() {
    let world = world(two_seniors()).await;
    let board = Arc::new(Board::default());
    let gate = on_a_board(&world, &board, None).await;
    let id = gate.ask(by_hand(1)).await.unwrap().unwrap();
    board.after.store(FIXED, Ordering::SeqCst);
    vote(&world, id, "alice").await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.phase(id).await, Phase::Pending);
    vote(&world, id, "carol").await;
    assert_eq!(world.phase(id).await, Phase::Approved);
}
