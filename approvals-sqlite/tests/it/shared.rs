//! Several stores on one file, as several processes have them; many tasks on one store.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::Choice;
use approvals_core::store::{Freeze, Opened, Swapped};
use approvals_core::{OwnerId, RequestStore, StoreError, What};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::{claim_and_start, person, vote};

use crate::support::{House, events, intended, sink, withdraw};

#[tokio::test]
async fn a_change_by_another_process_wakes_who_waits_in_this_one() {
    let house = House::new();
    let (one, other) = (house.store().await, house.store().await);
    let asked = house.ask(&one, &house.sample()).await;
    let elsewhere = house.ask(&one, &house.sample().table("orders")).await;
    // Whatever was changed before is seen before anybody waits.
    let mut settled = one.hints().watch(asked.id());
    house
        .carry(&other, asked.id(), &vote(&asked, "alice", Choice::Approve))
        .await;
    tokio::time::timeout(Duration::from_secs(20), settled.changed())
        .await
        .expect("the hint of a vote in another process came");
    let mut watch = one.hints().watch(elsewhere.id());
    let mut untouched = one.hints().watch(asked.id());
    house.vote(&other, elsewhere.id(), Choice::Approve).await;
    tokio::time::timeout(Duration::from_secs(20), watch.changed())
        .await
        .expect("the hint of another request came");
    let woken = tokio::time::timeout(Duration::from_millis(1), untouched.changed()).await;
    assert!(woken.is_err(), "one request's change is not another's");
}

#[tokio::test]
async fn what_another_process_changed_is_judged_as_it_stands_now() {
    let house = House::new();
    let (one, other) = (house.store().await, house.store().await);
    let sink = sink(&one).await;
    // Each store knows how the request stands after its own change, until the other makes one.
    let asked = house.ask(&one, &house.sample()).await;
    let approved = house.vote(&other, asked.id(), Choice::Approve).await;
    let late = one.compare_and_swap(house.swap(&asked, &withdraw())).await;
    assert!(matches!(late, Ok(Swapped::Conflict)), "{late:?}");
    let start = claim_and_start(OwnerId::new());
    house.carry(&one, asked.id(), &start).await;
    let late = other.compare_and_swap(house.swap(&approved, &start)).await;
    assert!(matches!(late, Ok(Swapped::Conflict)), "{late:?}");
    // So it is with what holds for all of them.
    let waits = house.ask(&one, &house.sample().table("orders")).await;
    let waits = house.vote(&one, waits.id(), Choice::Approve).await;
    let (by, reason) = (person("dave"), "maintenance".into());
    let freeze = Freeze {
        by: person("dave"),
        reason: "maintenance".into(),
        since: other.now().await.unwrap(),
    };
    let event = NewEvent::new(What::Frozen { by, reason });
    other.set_freeze(Some(freeze), event).await.unwrap();
    let mut swap = house.swap(&waits, &start);
    swap.unfrozen = true;
    let frozen = one.compare_and_swap(swap).await;
    assert!(matches!(frozen, Ok(Swapped::Frozen)), "{frozen:?}");
    house.ask(&one, &house.sample().table("last")).await;
    let numbers: Vec<_> = events(&one, &sink).await.iter().map(|e| e.number).collect();
    let dense: Vec<_> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, dense);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_make_the_file_together() {
    let house = House::new();
    let openings = (0..6).map(|_| tokio::spawn(house.builder().open()));
    let mut stores: Vec<SqliteStore> = Vec::new();
    for opening in openings.collect::<Vec<_>>() {
        stores.push(opening.await.unwrap().unwrap());
    }
    let asked = house.ask(&stores[0], &house.sample()).await;
    for store in &stores {
        assert!(store.read(asked.id()).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_share_commits_and_are_each_judged_alone() {
    let house = House::new();
    let store = Arc::new(house.store().await);
    let sink = sink(&store).await;
    // Every fourth is refused: it takes none of the others with it.
    let taken = house.ask(&store, &house.sample().table("taken")).await;
    let before = commits(&house);
    // While somebody else holds the file, changes gather.
    let lock = house.lock();
    let limits = approvals_core::Limits {
        pending: 1_000,
        asks_per_hour: 1_000,
        ..approvals_core::Limits::default()
    };
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = Arc::clone(&store);
            let sample = house.sample().table(&n.to_string()).limits(limits);
            let mut opening = sample.opening();
            if n % 4 == 0 {
                let mut asked = approvals_core::review::Asked::clone(&opening.asked);
                asked.id = taken.id();
                opening.asked = Arc::new(asked);
            }
            tokio::spawn(async move { (n, store.open(opening, vec![intended()]).await) })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    lock.release();
    for task in tasks {
        match task.await.unwrap() {
            (n, Err(StoreError::Invalid(_))) => assert_eq!(n % 4, 0),
            (n, Ok(Opened::Asked { .. })) => assert_ne!(n % 4, 0),
            other => panic!("{other:?}"),
        }
    }
    let numbers: Vec<u64> = events(&store, &sink)
        .await
        .iter()
        .map(|e| e.number)
        .collect();
    assert_eq!(numbers, (1..=151).collect::<Vec<_>>());
    let shared = commits(&house) - before;
    assert!(shared <= 10, "200 openings took {shared} commits");
}

/// How many commits are in the log: the frame that ends one says how large the file is then.
fn commits(house: &House) -> u64 {
    let log = std::fs::read(house.directory.path().join("requests.db-wal")).unwrap();
    let frames = log.get(32..).unwrap_or_default().chunks_exact(24 + 4096);
    let ends = frames.filter(|frame| frame[4..8] != [0; 4]);
    u64::try_from(ends.count()).unwrap()
}
