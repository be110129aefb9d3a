//! How often a store waits for the server.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::review::Choice;
use approvals_core::store::{Delivery, DeliveryState, Opened, Swapped};
use approvals_core::{Coverage, Limits, OwnerId, Receipt, RequestId, RequestStore, What};
use approvals_testing::sample::person;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

use crate::proxy::Proxy;
use crate::support::{Place, ask, claim, done, own_server, sample, start, swap, vote};

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
    let [one, other] = ["wages", "taxes"].map(|table| sample.clone().table(table).opening());
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
    // The other one finds the only connection in use.
    let opened = tokio::join!(store.open(one, Vec::new()), store.open(other, Vec::new()));
    assert!(matches!(
        opened,
        (Ok(Opened::Asked { .. }), Ok(Opened::Asked { .. }))
    ));
    assert_eq!(proxy.answers(), 2, "open, twice at once");
}

#[tokio::test]
async fn callers_that_come_back_at_the_same_moment_are_answered_together_each_about_its_own() {
    const CALLERS: u64 = 50;
    let Some(place) = Place::new() else { return };
    let proxy = Proxy::before(&place.url).await;
    let through = Place {
        url: proxy.url(),
        ..place
    };
    let store = Arc::new(through.builder().connect().await.unwrap());
    let delivery = |number| Delivery {
        channel: "memory".parse().unwrap(),
        coverage: Coverage::Whole,
        state: DeliveryState::Delivered(Receipt::handle(&format!("message-{number}"))),
        revision: 1,
    };
    let mut asked = Vec::new();
    for number in 0..CALLERS {
        let name = format!("step-{number}");
        let mut opening = sample(&store).await.table(&name).key(&name).opening();
        opening.limits = Limits {
            pending: u32::MAX,
            asks_per_hour: u32::MAX,
            ..Limits::default()
        };
        let key = opening.key.unwrap();
        let opened = store.open(opening, vec![delivery(number)]).await;
        let Opened::Asked { record, .. } = opened.unwrap() else {
            panic!("people should be asked");
        };
        asked.push((key, record));
    }
    // One that is under way says more, and one is of nobody.
    let (key, running) = &mut asked[7];
    let id = running.id();
    done(&store, id, &vote(running, "alice", Choice::Approve)).await;
    let owner = OwnerId::new();
    done(&store, id, &claim(owner)).await;
    *running = done(&store, id, &start(owner, 1)).await;
    let unknown = (*key, asked[8].1.asked.digest);
    let nobodys = RequestId::from_bytes([9; 16]);
    proxy.answers();

    let mut resumed = JoinSet::new();
    let mut called = JoinSet::new();
    let keyed = asked
        .iter()
        .map(|(key, record)| (*key, record.asked.digest));
    for (key, digest) in keyed.chain([unknown]) {
        let store = Arc::clone(&store);
        called.spawn(async move { store.known(key, digest).await.unwrap() });
    }
    for id in asked.iter().map(|(_, record)| record.id()).chain([nobodys]) {
        let store = Arc::clone(&store);
        resumed.spawn(async move { store.read_with_deliveries(id).await.unwrap() });
    }
    let mut seen: Vec<_> = resumed.join_all().await;
    let mut known: Vec<_> = called.join_all().await;
    // Four statements, and what it takes to connect and to prepare them on each connection.
    let answers = proxy.answers();
    assert!(answers <= 30, "{answers} answers to 102 questions");

    assert_eq!(seen.iter().filter(|seen| seen.is_none()).count(), 1);
    seen.retain(Option::is_some);
    seen.sort_by_key(|seen| seen.as_ref().map(|seen| seen.snapshot.record.id()));
    known.sort_by_key(|known| known.standing.keyed.as_ref().map(|record| record.id()));
    // The key of one with the digest of the next: the store tells both, and others judge.
    let both = known.iter().position(|known| {
        let standing = &known.standing;
        standing.keyed.as_ref() == Some(&asked[7].1) && standing.same_digest.is_empty()
    });
    known.remove(both.unwrap());
    for (number, (_, record)) in asked.iter().enumerate() {
        let copies = [delivery(number as u64)];
        let seen = seen[number].as_ref().unwrap();
        assert_eq!(seen.snapshot.record, *record);
        assert_eq!(*seen.deliveries, copies);
        let known = &known[number];
        assert_eq!(known.standing.keyed.as_ref(), Some(record));
        assert_eq!(*known.deliveries, copies);
        let equal: Vec<_> = known
            .standing
            .same_digest
            .iter()
            .map(|equal| equal.id())
            .collect();
        let expected: &[RequestId] = if number == 7 { &[id] } else { &[] };
        assert_eq!(equal, expected);
    }
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
