//! Processes of several versions on the same file and records.

use approvals_core::RequestStore;
use approvals_core::review::Phase;
use approvals_sqlite::OpenError;

use crate::support::{House, message, withdraw};

#[tokio::test]
async fn a_file_of_a_newer_version_that_this_one_cannot_follow_is_left_as_it_is() {
    let house = House::new();
    house.store().await.close().await;
    house
        .edit("INSERT INTO versions VALUES (7, 6); PRAGMA user_version = 6; CREATE TABLE later (a INTEGER)");
    let told = house.builder().open().await.unwrap_err();
    assert!(
        matches!(
            told,
            OpenError::Newer {
                found: 7,
                known: 5,
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
        .edit("INSERT INTO versions VALUES (6, 5); ALTER TABLE requests ADD COLUMN novelty TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 5");
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    let read = store.read(record.id()).await.unwrap().unwrap().record;
    assert_eq!(read, record);
    store.close().await;
    let oldest = "SELECT CAST(user_version AS TEXT) FROM pragma_user_version";
    assert_eq!(house.look(oldest), "5");
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
