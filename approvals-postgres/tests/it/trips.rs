//! How often a store waits for the server.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::review::Choice;
use approvals_core::store::{Delivery, DeliveryState, Opened, Swapped};
use approvals_core::{Coverage, Receipt, RequestStore, What};
use approvals_testing::sample::person;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::proxy::Proxy;
use crate::support::{Place, ask, done, own_server, sample, swap, vote};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_and_written_takes_two_round_trips_and_what_nothing_stands_against_takes_one()
 {
    let Some(place) = Place::new() else { return };
    let proxy = Proxy::before(&place.url).await;
    let through = Place {
        url: proxy.url(),
        ..place
    };
    let store = through.builder().max_connections(1).connect();
    let store = store.await.unwrap();
    let delivery = Delivery {
        channel: "memory".parse().unwrap(),
        coverage: Coverage::Whole,
        state: DeliveryState::Delivered(Receipt::none()),
        revision: 1,
    };
    let event = || {
        NewEvent::new(What::Thawed {
            by: person("dave"),
            reason: Arc::from("it is over"),
        })
    };
    // What is asked for the first time is prepared.
    let sink = "observer".parse().unwrap();
    store.register_sink(&sink).await.unwrap();
    let first = ask(&store, &sample(&store).await).await;
    let noted = store.note_delivery(first.id(), delivery.clone());
    noted.await.unwrap();
    let known = store.read_with_deliveries(first.id());
    known.await.unwrap();
    let digest = first.asked.digest;
    store.known(digest, digest).await.unwrap();
    let second = ask(&store, &sample(&store).await.table("people")).await;
    done(
        &store,
        second.id(),
        &vote(&second, "alice", Choice::Approve),
    )
    .await;
    let voting = swap(&store, first.id(), &vote(&first, "alice", Choice::Approve)).await;
    let sample = sample(&store).await.table("salaries");
    proxy.answers();
    let opened = store.open(sample.opening(), vec![delivery.clone()]).await;
    let Opened::Asked { record, .. } = opened.unwrap() else {
        panic!("people should be asked");
    };
    assert_eq!(proxy.answers(), 1, "open");
    store.note_delivery(record.id(), delivery).await.unwrap();
    assert_eq!(proxy.answers(), 1, "note_delivery");
    store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(proxy.answers(), 1, "read");
    store
        .read_with_deliveries(record.id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(proxy.answers(), 1, "read_with_deliveries");
    let digest = record.asked.digest;
    store.known(digest, digest).await.unwrap();
    assert_eq!(proxy.answers(), 1, "known");
    let voted = store.compare_and_swap(voting).await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
    assert_eq!(proxy.answers(), 1, "compare_and_swap");
    store.append(vec![event()]).await.unwrap();
    assert_eq!(proxy.answers(), 2, "append");
    let last = store.append(Vec::new()).await.unwrap();
    proxy.answers();
    store.acknowledge(&sink, last).await.unwrap();
    assert_eq!(proxy.answers(), 1, "acknowledge");
}

/// Whether the server has yet to write anything that was committed to its disk.
async fn owes_a_flush(beside: &mut PgConnection) -> bool {
    let owes = "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() AS owes";
    let row = sqlx::query(owes).fetch_one(beside).await.unwrap();
    row.get("owes")
}

#[tokio::test(flavor = "multi_thread")]
async fn noting_that_a_copy_shows_a_later_revision_does_not_wait_for_the_disk() {
    let Some(server) = own_server() else { return };
    // Nobody else flushes what was committed.
    server.set("wal_writer_delay", "10s");
    server.set("autovacuum", "off");
    server.crash().unwrap();
    server.restart().unwrap();
    let place = Place::at(server.url("postgres"));
    let store = place.builder().connect().await.unwrap();
    let mut beside = place.connection().await;
    let request = ask(&store, &sample(&store).await).await;
    let mut delivery = Delivery {
        channel: "memory".parse().unwrap(),
        coverage: Coverage::Whole,
        state: DeliveryState::Delivered(Receipt::handle("1700000.42")),
        revision: 1,
    };
    for (revision, handle, owes) in [
        (1, "1700000.42", false),
        (2, "1700000.42", true),
        (3, "1700000.43", false),
        (4, "1700000.43", true),
    ] {
        delivery.revision = revision;
        delivery.state = DeliveryState::Delivered(Receipt::handle(handle));
        let noted = store.note_delivery(request.id(), delivery.clone());
        noted.await.unwrap();
        assert_eq!(owes_a_flush(&mut beside).await, owes, "{delivery:?}");
        let copies = store.deliveries(request.id()).await.unwrap();
        assert!(copies.contains(&delivery), "{copies:?}");
    }
}
