//! People who have not answered are reminded.

use approvals_core::review::SCHEMA;
use approvals_core::store::{Duty, RequestStore as _, encoding};
use approvals_core::{Kind, OwnerId, Quorum, Requirement, Stage, What};

use super::support::beside;
use crate::support::*;

const MINUTE: u64 = 60;

fn after(minutes: u64) -> Requirement {
    a_senior().remind_after(seconds(minutes * MINUTE)).unwrap()
}

fn reminded(trail: &[What]) -> usize {
    let reminds = |what: &&What| matches!(what, What::Reminded { .. });
    trail.iter().filter(reminds).count()
}

#[tokio::test(start_paused = true)]
async fn whoever_has_not_answered_is_reminded_once_whichever_process_does_it() {
    let world = world(after(10)).await;
    let other = beside(&world, after(10)).await;
    let (task, request) = other.ask(keyed("step", 1)).await;
    let all = || [world.approver.reminders(), other.approver.reminders()].concat();
    tokio::time::sleep(seconds(10 * MINUTE - 1)).await;
    assert_eq!(all(), []);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(all(), [request.id()]);
    tokio::time::sleep(seconds(30 * MINUTE)).await;
    assert_eq!(all(), [request.id()], "once is all that was wanted");
    assert_eq!(reminded(&world.trail(request.id()).await), 1);
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn reminders_come_again_and_extend_no_deadline() {
    let world = world(a_senior().remind_every(seconds(20 * MINUTE)).unwrap()).await;
    let began = tokio::time::Instant::now();
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::TimedOut);
    let took = began.elapsed();
    assert!(
        took >= seconds(3600) && took < seconds(3602),
        "its stage has an hour: {took:?}"
    );
    assert_eq!(
        world.approver.reminders().len(),
        2,
        "the third would come with the deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_reminded_of_what_is_decided() {
    let world = world(after(10)).await;
    world.approved("alice", export("orders", 1)).await.unwrap();
    world.denied("alice", export("orders", 2)).await;
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(world.approver.reminders(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_opens_counts_its_reminders_anew() {
    let stage = |group: &str| Stage::of(Quorum::of(1, [group]).unwrap());
    let two = Requirement::review(stage("seniors")).then(stage("leads"));
    let two = two.unwrap().remind_after(seconds(10 * MINUTE)).unwrap();
    let world = world(two).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(9 * MINUTE)).await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(9 * MINUTE)).await;
    assert_eq!(world.approver.reminders(), []);
    tokio::time::sleep(seconds(2 * MINUTE)).await;
    let trail = world.trail(request.id()).await;
    let second = What::Reminded { track: 0, stage: 1 };
    assert!(trail.contains(&second), "{:?}", names(&trail));
    assert_eq!(world.approver.reminders().len(), 1);
    request.approve_as("dave").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_not_late_because_a_reminder_is() {
    let world = world(after(1)).await;
    // Nobody minds what is due.
    world.store.fail("due");
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(2 * MINUTE)).await;
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
    world.store.recover();
    assert_eq!(reminded(&world.trail(request.id()).await), 0);
}

#[tokio::test(start_paused = true)]
async fn reminders_that_were_missed_come_as_one() {
    let mut dead = world(a_senior()).await;
    dead.store = std::sync::Arc::new(crate::support::store::Failing::store());
    let minds = dead
        .store
        .inner
        .lease(&Duty::Deadlines, OwnerId::new(), seconds(15 * MINUTE));
    assert!(minds.await.unwrap());
    let often = a_senior().remind_every(seconds(4 * MINUTE)).unwrap();
    let world = beside(&dead, often).await;
    let (_task, _request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(15 * MINUTE + 2)).await;
    assert_eq!(world.approver.reminders().len(), 1);
    tokio::time::sleep(seconds(4 * MINUTE)).await;
    assert_eq!(world.approver.reminders().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_away_reminds_when_it_comes_back() {
    let world = world(after(10)).await;
    let (_task, request) = world.ask(export("orders", 1)).await;
    world.approver.away(Some("rate limited"));
    tokio::time::sleep(seconds(11 * MINUTE)).await;
    assert_eq!(world.approver.reminders(), []);
    world.approver.away(None);
    tokio::time::sleep(seconds(2 * MINUTE)).await;
    assert_eq!(world.approver.reminders(), [request.id()]);
}

/// So a replica of the version before goes on working on everything else, and leaves alone what it
/// would take for nothing.
#[tokio::test(start_paused = true)]
async fn only_a_request_that_reminds_is_of_a_form_that_older_versions_do_not_know() {
    let plain = world(a_senior()).await;
    let id = plain.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let record = plain.record(id).await;
    let text = encoding::encode(&record).unwrap();
    let asked = encoding::encode_asked(&record.asked).unwrap();
    assert_eq!(encoding::encode_with(&record, &asked).unwrap().0, text);
    assert_eq!(record.schema, 1);
    assert!(!text.contains("remind"), "{text}");
    assert_eq!(encoding::decode("it", &text).unwrap(), *record);

    let reminding = world(after(10)).await;
    let id = reminding.gate.ask(by_hand(1)).await.unwrap().unwrap();
    tokio::time::sleep(seconds(11 * MINUTE)).await;
    let record = reminding.record(id).await;
    let text = encoding::encode(&record).unwrap();
    let asked = encoding::encode_asked(&record.asked).unwrap();
    assert_eq!(encoding::encode_with(&record, &asked).unwrap().0, text);
    assert_eq!((record.schema, record.reminded), (SCHEMA, record.revision));
    assert_eq!(encoding::decode("it", &text).unwrap(), *record);
}
