//! Processes of several versions on the same file and records.

use std::time::Duration;

use approvals_core::review::Phase;
use approvals_core::store::{Delivery, DeliveryState};
use approvals_core::{Receipt, RequestId, RequestStore};
use approvals_sqlite::{OpenError, SqliteStore};
use approvals_testing::sample::copies_in_every_state;

use crate::support::{House, intended, message, withdraw};

#[tokio::test]
async fn a_file_of_a_newer_version_that_this_one_cannot_follow_is_left_as_it_is() {
    let house = House::new();
    house.store().await.close().await;
    house
        .edit("INSERT INTO versions VALUES (7, 5); PRAGMA user_version = 5; CREATE TABLE later (a INTEGER)");
    let told = house.builder().open().await.unwrap_err();
    assert!(
        matches!(
            told,
            OpenError::Newer {
                found: 7,
                known: 3,
                ..
            }
        ),
        "{told}"
    );
    assert!(told.to_string().contains("upgrade"), "{told}");
    house.edit("INSERT INTO later VALUES (1)");
}

#[tokio::test]
async fn a_file_of_a_newer_version_that_was_made_for_a_rolling_upgrade_can_be_used() {
    let house = House::new();
    house.store().await.close().await;
    house
        .edit("INSERT INTO versions VALUES (4, 2); ALTER TABLE requests ADD COLUMN novelty TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 2");
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    let read = store.read(record.id()).await.unwrap().unwrap().record;
    assert_eq!(read, record);
    store.close().await;
    let oldest = "SELECT CAST(user_version AS TEXT) FROM pragma_user_version";
    assert_eq!(house.look(oldest), "2");
}

#[tokio::test]
async fn a_process_of_the_first_version_may_open_the_file_of_this_one() {
    let house = House::new();
    house.store().await.close().await;
    // That is all that it looks at.
    let oldest = "SELECT CAST(user_version AS TEXT) FROM pragma_user_version";
    assert_eq!(house.look(oldest), "1");
    let versions = "SELECT group_concat(version || '/' || oldest) FROM versions";
    assert_eq!(house.look(versions), "1/1,2/1,3/1");
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_read_and_not_replaced() {
    let house = House::new();
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    let swap = house.swap(&record, &withdraw());
    // What a newer version adds is not known here.
    house
        .edit("UPDATE requests SET schema = 60000, record = json_set(record, '$.schema', 60000, '$.added', 'later')");
    let read = store.read(record.id()).await.unwrap().unwrap().record;
    assert_eq!((read.schema, read.state.phase()), (60_000, Phase::Pending));
    let told = message(store.compare_and_swap(swap).await);
    assert!(
        told.contains("newer version") && told.contains("upgrade"),
        "{told}"
    );
    let kept = house.look("SELECT json_extract(record, '$.added') FROM requests");
    assert_eq!(kept, "later");
}

fn every_state(house: &House) -> Vec<Delivery> {
    copies_in_every_state(house.sample().opening().asked.asked_at)
}

/// Whether each copy is due at its time and not before.
async fn each_is_due_in_time(house: &House, store: &SqliteStore, id: RequestId, all: &[Delivery]) {
    let asked_at = store.read(id).await.unwrap().unwrap().record.asked.asked_at;
    for seconds in [29, 30, 39, 40, 49, 50, 5_000] {
        house.clock.set(asked_at.plus(Duration::from_secs(seconds)));
        let now = store.now().await.unwrap();
        for delivery in all {
            let due = delivery.due(asked_at).is_some_and(|due| due <= now);
            let found = store.copies_due(&delivery.channel, 10).await.unwrap();
            let wanted: &[RequestId] = if due { &[id] } else { &[] };
            assert_eq!(found, wanted, "{delivery:?} after {seconds} s");
        }
    }
}

/// Takes from a file what came after version 1.
const AS_OF_VERSION_1: &str = "
DROP TRIGGER opened_by_version_1; DROP TRIGGER noted_by_version_1; DROP VIEW copies_of_version_1;
DROP TABLE copies; DROP TABLE duties; DROP TABLE seals; DROP TABLE versions;
ALTER TABLE requests DROP COLUMN copies_kept";

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_with_the_copies_that_are_due_in_it() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, all.clone()).await.unwrap();
    store.close().await;
    house.edit(AS_OF_VERSION_1);
    let store = house.store().await;
    assert_eq!(store.deliveries(id).await.unwrap().to_vec(), all);
    each_is_due_in_time(&house, &store, id, &all).await;
}

#[tokio::test]
async fn copies_that_a_process_of_the_first_version_notes_are_due_in_time() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let record = house.ask(&store, &house.sample()).await;
    // What it writes beside a process of this version: it knows nothing of the table of copies.
    let text = serde_json::to_string(&all).unwrap();
    house.edit_with("UPDATE requests SET deliveries = ?", &text);
    each_is_due_in_time(&house, &store, record.id(), &all).await;
    let left = store.copies_due(&intended().channel, 10).await.unwrap();
    assert!(left.is_empty(), "it is no delivery any more: {left:?}");
    // And what this version notes then is due in time as well.
    let again = Delivery {
        channel: all[3].channel.clone(),
        ..intended()
    };
    store.note_delivery(record.id(), again).await.unwrap();
    let shown = Delivery {
        state: DeliveryState::Delivered(Receipt::none()),
        ..all[4].clone()
    };
    store.note_delivery(record.id(), shown).await.unwrap();
    let due = async |n: usize| store.copies_due(&all[n].channel, 10).await.unwrap();
    assert_eq!(due(3).await, [record.id()]);
    assert!(due(4).await.is_empty());
}

#[tokio::test]
async fn requests_that_a_process_of_the_first_version_opens_are_due_in_time() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, all.clone()).await.unwrap();
    house
        .edit(
            "CREATE TEMP TABLE made AS SELECT * FROM requests;
            DELETE FROM requests;
            INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, record)
            SELECT id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, record FROM made",
        );
    each_is_due_in_time(&house, &store, id, &all).await;
}

#[tokio::test]
async fn copies_go_with_their_request_when_it_is_archived() {
    let house = House::new();
    let store = house.store().await;
    let all = every_state(&house);
    let opening = house.sample().opening();
    let id = opening.asked.id;
    store.open(opening, all.clone()).await.unwrap();
    house.carry(&store, id, &withdraw()).await;
    house.clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 1);
    for delivery in &all {
        let left = store.copies_due(&delivery.channel, 10).await.unwrap();
        assert!(left.is_empty(), "{delivery:?} is due of nothing");
    }
}
