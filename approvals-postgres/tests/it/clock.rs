//! The store's time is PostgreSQL's, and never decreases.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::Choice;
use approvals_core::store::{Swap, Swapped};
use approvals_core::{ClockError, OwnerId, RequestStore, StoreError};
use sqlx::Executor;

use crate::support::{Place, ask, sample, swap, vote};

#[tokio::test(flavor = "multi_thread")]
async fn time_is_read_after_the_lock_of_the_row() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let mut holder = place.connection().await;
    holder
        .execute("BEGIN; SELECT FROM requests FOR UPDATE")
        .await
        .unwrap();
    let deadline = store.now().await.unwrap().plus(Duration::from_millis(300));
    let late = Swap {
        not_after: Some(deadline),
        ..swap(
            &store,
            record.id(),
            &vote(&record, "alice", Choice::Approve),
        )
        .await
    };
    let voting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.compare_and_swap(late).await.unwrap() }
    });
    place.until_somebody_waits("transactionid").await;
    // The deadline passes while it waits.
    sqlx::query("SELECT pg_sleep_until(to_timestamp($1))")
        .bind(deadline.as_millis() as f64 / 1000.0 + 0.05)
        .execute(&mut holder)
        .await
        .unwrap();
    holder.execute("COMMIT").await.unwrap();
    let voted = voting.await.unwrap();
    assert!(matches!(voted, Swapped::TooLate), "{voted:?}");
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*stands.record, *record);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_numbered_at_or_after_the_deadline_that_it_had_to_meet() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let deadline = store.now().await.unwrap().plus(Duration::from_secs(1));
    let in_time = Swap {
        not_after: Some(deadline),
        ..swap(
            &store,
            record.id(),
            &vote(&record, "alice", Choice::Approve),
        )
        .await
    };
    let mut holder = place.connection().await;
    holder.execute("BEGIN").await.unwrap();
    sqlx::query("UPDATE head SET latest = $1")
        .bind(i64::try_from(deadline.as_millis()).unwrap())
        .execute(&mut holder)
        .await
        .unwrap();
    let voting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.compare_and_swap(in_time).await.unwrap() }
    });
    place.until_somebody_waits("transactionid").await;
    holder.execute("COMMIT").await.unwrap();
    let voted = voting.await.unwrap();
    assert!(matches!(voted, Swapped::TooLate), "{voted:?}");
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*stands.record, *record);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_an_hour_behind_what_was_committed_does_nothing() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let sample = sample(&store).await;
    let record = ask(&store, &sample).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    let events = "SELECT count(*) FROM events";
    let mut connection = place.connection().await;
    let before: i64 = sqlx::query_scalar(events)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    place
        .execute("UPDATE head SET latest = latest + 3600000")
        .await;
    let opening = sample.table("salaries").opening();
    for (method, error) in [
        ("now", store.now().await.err()),
        ("read", store.read(record.id()).await.err()),
        (
            "compare_and_swap",
            store.compare_and_swap(voting.clone()).await.err(),
        ),
        ("open", store.open(opening, Vec::new()).await.err()),
        ("due", store.due(10).await.err()),
        (
            "heartbeat",
            store
                .heartbeat(OwnerId::new(), Duration::from_secs(9))
                .await
                .err(),
        ),
    ] {
        let Some(StoreError::Clock(ClockError::Jumped { direction, by })) = error else {
            panic!("`{method}` says {error:?}");
        };
        assert_eq!(direction, "back");
        assert!(by > Duration::from_secs(3_500), "{by:?}");
    }
    place
        .execute("UPDATE head SET latest = latest - 3600000")
        .await;
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*stands.record, *record);
    let after: i64 = sqlx::query_scalar(events)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(after, before);
    let voted = store.compare_and_swap(voting).await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
}
