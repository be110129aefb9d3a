//! A channel that fails is tried again, until nobody could answer any more.

use std::sync::Arc;

use approvals_core::store::{Delivery, DeliveryState, Filter, RequestStore as _};
use approvals_core::{
    Approver, ApproverError, Coverage, Kind, Notice, Phase, Presentation, Receipt, RequestId,
    Requirement, async_trait,
};

use super::support::{beside, restarted};
use crate::support::adapters::SlowApprover;
use crate::support::*;

async fn delivery(world: &World, request: RequestId) -> Delivery {
    let deliveries = world.store.inner.deliveries(request).await.unwrap();
    deliveries.first().unwrap().clone()
}

/// The only request there is.
async fn only(world: &World) -> RequestId {
    let all = world.gate.requests(&Filter::default(), None, 2).await;
    match all.unwrap().as_slice() {
        [record] => record.id(),
        other => panic!("{} requests", other.len()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_back_is_given_the_request_again() {
    let world = world(a_senior()).await;
    world.approver.away(Some("rate limited"));
    let task = tokio::spawn(world.run(export("orders", 1)));
    tokio::time::sleep(seconds(60)).await;
    let request = only(&world).await;
    assert_eq!(world.phase(request).await, Phase::Pending);
    let DeliveryState::Failed { why, retry } = delivery(&world, request).await.state else {
        panic!("it was shown");
    };
    assert_eq!(why, "rate limited");
    let attempts = retry.unwrap().attempts;
    // After 0.5 to 1 seconds, then twice as long each time, and looked at every second.
    assert!((4..=8).contains(&attempts), "{attempts} attempts a minute");
    world.approver.away(None);
    world
        .approver
        .next()
        .await
        .approve_as("alice")
        .await
        .unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(world.approver.asked().len(), 1, "shown once");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_stays_away_until_the_deadline_refuses_and_says_so() {
    let quick = a_senior().deadline(seconds(90)).unwrap();
    let world = world(quick).await;
    world.approver.away(Some("rate limited"));
    let began = tokio::time::Instant::now();
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(began.elapsed() >= seconds(90));
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("no channel could put it before people")
    );
    assert_eq!(error.detail(), Some("test: rate limited"));
    assert_eq!(world.phase(only(&world).await).await, Phase::Expired);
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_failed_for_good_is_not_tried_again() {
    let away = approvals_core::memory::InMemoryApprover::new();
    let world = world_with(a_senior(), |gate| gate.approver("other", away.connect())).await;
    world.approver.fail(Some("the token was revoked"));
    away.away(Some("rate limited"));
    let task = tokio::spawn(world.run(export("orders", 1)));
    tokio::time::sleep(seconds(60)).await;
    world.approver.fail(None);
    away.fail(Some("the workspace is gone"));
    let error = refusal(task.await.unwrap());
    assert_eq!(
        error.kind(),
        Kind::Unavailable,
        "the last one failed for good"
    );
    assert_eq!(world.approver.asked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_process_tries_again_what_a_process_that_ended_could_not_show() {
    let world = world(a_senior()).await;
    world.approver.away(Some("no network here"));
    let request = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let world = restarted(world, a_senior()).await;
    let shown = world.approver.next().await;
    assert_eq!(shown.id(), request);
    shown.approve_as("alice").await.unwrap();
    let admitted = world.gate.resume(request, by_hand(1)).await.unwrap();
    admitted
        .start(&by_hand(1))
        .await
        .unwrap()
        .finish(true)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_process_died_before_it_showed_it_is_shown_by_another() {
    let world = world(a_senior()).await;
    // As after a crash: the intent is committed and nobody acts on it.
    world.store.fail("deliveries");
    world.gate.ask(by_hand(1)).await.unwrap_err();
    assert_eq!(world.approver.asked().len(), 0);
    world.store.recover();
    let request = world.approver.next().await;
    let state = delivery(&world, request.id()).await.state;
    assert!(matches!(state, DeliveryState::Delivered(_)), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_again_that_is_over() {
    let world = world(a_senior()).await;
    world.approver.away(Some("rate limited"));
    let task = tokio::spawn(world.run(export("orders", 1)));
    tokio::time::sleep(seconds(5)).await;
    let request = only(&world).await;
    task.abort();
    let _ = task.await;
    world.gate.flush().await;
    assert_eq!(world.phase(request).await, Phase::Withdrawn);
    world.approver.away(None);
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(world.approver.asked().len(), 0);
    let due = world.store.inner.copies_due(&channel(), 10).await.unwrap();
    assert_eq!(due, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_updated_is_updated_later() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.approver.away(Some("rate limited"));
    request.deny_as("alice", "no").await.unwrap();
    task.await.unwrap().unwrap_err();
    tokio::time::sleep(seconds(20)).await;
    let stale = delivery(&world, request.id()).await;
    assert!(
        matches!(stale.state, DeliveryState::Outdated { .. }),
        "{stale:?}"
    );
    assert_eq!(stale.revision, 1);
    world.approver.away(None);
    tokio::time::sleep(seconds(60)).await;
    let updated = delivery(&world, request.id()).await;
    assert!(
        matches!(updated.state, DeliveryState::Delivered(_)),
        "{updated:?}"
    );
    assert_eq!(world.approver.outcomes(), [(request.id(), Phase::Denied)]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_process_left_behind_is_updated_by_another() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    world.approver.away(Some("no network here"));
    request.deny_as("alice", "no").await.unwrap();
    let world = restarted(world, a_senior()).await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.approver.outcomes(), [(request.id(), Phase::Denied)]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_knows_another_channel_leaves_a_copy_to_whoever_has_it() {
    let world = world(Requirement::one_of("seniors").unwrap()).await;
    world.approver.away(Some("rate limited"));
    world.gate.ask(by_hand(1)).await.unwrap();
    let elsewhere = approvals_core::memory::InMemoryApprover::new();
    let other = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("elsewhere", elsewhere.connect())
        .build()
        .await
        .unwrap();
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(elsewhere.asked().len(), 0);
    drop(other);
    let again = beside(&world, a_senior()).await;
    world.approver.away(None);
    let request = world.approver.next().await;
    assert_eq!(again.approver.asked().len(), 0);
    assert_eq!(Arc::clone(request.asked()).id, only(&world).await);
}

/// A message that was deleted, say: the next change tries once more.
#[tokio::test(start_paused = true)]
async fn a_message_that_can_never_be_updated_is_not_due_again() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.approver.fail_updates(Some("the message is gone"));
    request.deny_as("alice", "no").await.unwrap();
    task.await.unwrap().unwrap_err();
    tokio::time::sleep(seconds(5)).await;
    let stale = delivery(&world, request.id()).await;
    assert!(
        matches!(stale.state, DeliveryState::Delivered(_)),
        "{stale:?}"
    );
    assert_eq!(stale.revision, 1, "it still shows what it did");
    world.approver.fail_updates(None);
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(world.approver.outcomes(), []);
}

#[tokio::test(start_paused = true)]
async fn looking_for_copies_is_put_off_for_a_minute_at_most() {
    let world = world(a_senior()).await;
    world.approver.away(Some("rate limited"));
    let task = tokio::spawn(world.run(export("orders", 1)));
    // A hundred times as long, if nothing bounded it.
    world.store.slow_down("copies_due", seconds(30));
    tokio::time::sleep(seconds(40)).await;
    world.approver.away(None);
    let began = tokio::time::Instant::now();
    world
        .approver
        .next()
        .await
        .approve_as("alice")
        .await
        .unwrap();
    assert!(began.elapsed() <= seconds(62), "{:?}", began.elapsed());
    task.await.unwrap().unwrap();
}

/// Nobody waits for it who would find out.
#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_wait_is_refused_with_the_reason_when_no_channel_could_show_it() {
    let world = world(a_senior()).await;
    let inner = approvals_core::memory::InMemoryApprover::new();
    let connect = inner.connect();
    let slow = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("slow", |desk| {
            Arc::new(SlowApprover(seconds(2), connect(desk)))
        });
    let slow = slow.build().await.unwrap();
    inner.fail(Some("the token was revoked"));
    let id = slow.ask(by_hand_keyed(1, "run-1")).await.unwrap().unwrap();
    tokio::time::sleep(seconds(3)).await;
    assert_eq!(world.phase(id).await, Phase::Withdrawn);
    let call = || by_hand_keyed(1, "run-1");
    for told in [
        slow.resume(id, call()).await.unwrap_err(),
        slow.ask(call()).await.unwrap_err(),
    ] {
        assert_eq!(
            told.to_string(),
            "`it.manual` did not run: no channel could put it before people, and its request is over: a repeat needs a new key. You may retry later."
        );
        assert_eq!(told.detail(), Some("slow: the token was revoked"));
    }
    let id = slow.ask(by_hand(2)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(3)).await;
    let told = slow.resume(id, by_hand(2)).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Unavailable, "{told}");
    assert_eq!(told.detail(), Some("slow: the token was revoked"));
}

fn channel() -> approvals_core::ChannelId {
    approvals_core::ChannelId::new("test").unwrap()
}

/// A channel of several rooms, of which one more can be reached each time.
#[derive(Debug, Default)]
struct Rooms(std::sync::Mutex<Vec<String>>);

impl Rooms {
    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn tried(&self, what: String, rooms: &str) -> Result<Receipt, ApproverError> {
        self.0.lock().unwrap().push(what);
        let receipt = Receipt::handle(rooms);
        if rooms == "abc" {
            return Ok(receipt);
        }
        Err(ApproverError::new("a room is away").partly(receipt))
    }
}

#[async_trait]
impl Approver for Rooms {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        self.tried("present".to_owned(), "a")
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        let rooms = receipt.as_str().unwrap();
        let what = format!("{} follows {rooms}", notice.state().phase());
        let further = match rooms {
            "a" => "ab",
            _ => "abc",
        };
        self.tried(what, further).map(Some)
    }
}

#[tokio::test(start_paused = true)]
async fn what_some_people_see_is_made_up_for_and_not_shown_to_them_again() {
    let rooms = Arc::new(Rooms::default());
    let world = world_with(a_senior(), |gate| {
        let rooms = Arc::clone(&rooms);
        gate.approver("rooms", |_| rooms)
    })
    .await;
    let request = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(60)).await;
    let expected = ["present", "pending follows a", "pending follows ab"];
    assert_eq!(rooms.asked(), expected);
    let deliveries = world.store.inner.deliveries(request).await.unwrap();
    let mut rows = deliveries.iter();
    let row = rows.find(|row| row.channel.as_str() == "rooms").unwrap();
    let receipt = DeliveryState::Delivered(Receipt::handle("abc"));
    assert_eq!((&row.state, row.revision), (&receipt, 1));
}

#[tokio::test(start_paused = true)]
async fn people_who_see_what_others_do_not_are_shown_how_it_ended() {
    let rooms = Arc::new(Rooms::default());
    let world = world_with(a_senior(), |gate| {
        let rooms = Arc::clone(&rooms);
        gate.approver("rooms", |_| rooms)
    })
    .await;
    let (task, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    task.await.unwrap().unwrap_err();
    tokio::time::sleep(seconds(60)).await;
    let expected = ["present", "denied follows a", "denied follows ab"];
    assert_eq!(rooms.asked(), expected);
}

/// A channel that is away at first, and back when nobody can answer any more.
#[derive(Debug, Default)]
struct Late(std::sync::atomic::AtomicU8);

#[async_trait]
impl Approver for Late {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        if self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            return Err(ApproverError::new("connection refused"));
        }
        tokio::time::sleep(seconds(100)).await;
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_back_when_it_is_over_does_not_hide_why_nobody_was_asked() {
    let quick = || a_senior().deadline(seconds(60)).unwrap();
    let world = world(quick()).await;
    let late = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", quick())
        .approver("late", |_| Arc::new(Late::default()));
    let late = late.build().await.unwrap();
    let id = late.ask(by_hand(1)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(200)).await;
    assert_eq!(world.phase(id).await, Phase::Expired);
    let told = late.resume(id, by_hand(1)).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Unavailable, "{told}");
    assert_eq!(told.detail(), Some("late: connection refused"));
}
