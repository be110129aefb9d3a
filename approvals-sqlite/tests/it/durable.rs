//! What was acknowledged is there again, and time goes on from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Choice, Command, Limits, Refusal};
use approvals_core::store::{Filter, Freeze, Opened};
use approvals_core::{ClockError, NewEvent, OwnerId, RequestStore, StoreError, What};
use approvals_testing::ManualClock;
use approvals_testing::sample::{ballot, claim_and_start, person};

use crate::support::{House, events, intended, message, sink, withdraw};

#[tokio::test]
async fn everything_is_there_again_when_the_file_is_opened_again() {
    let house = House::new();
    let store = house.store().await;
    let sink = sink(&store).await;
    let owner = OwnerId::new();
    let pending = house
        .ask(&store, &house.sample().key("step-1").waiter(owner))
        .await;
    let denied = house.ask(&store, &house.sample().table("salaries")).await;
    let record = store.read(denied.id()).await.unwrap().unwrap().record;
    let mut denial = ballot(&record.asked, record.revision, "alice", Choice::Deny);
    denial.proposal = Some(Arc::new(BTreeMap::from([(
        "table".to_owned(),
        "orders".into(),
    )])));
    let denied = house
        .carry(&store, denied.id(), &Command::Vote(Box::new(denial)))
        .await;
    let freeze = Freeze {
        by: person("dave"),
        reason: "maintenance".into(),
        since: store.now().await.unwrap(),
    };
    let frozen = NewEvent::new(What::Frozen {
        by: person("dave"),
        reason: "maintenance".into(),
    });
    store
        .set_freeze(Some(freeze.clone()), frozen)
        .await
        .unwrap();
    store.acknowledge(&sink, 1).await.unwrap();
    let trail = events(&store, &sink).await;
    store.close().await;
    assert!(message(store.now().await).contains("closed"));

    let store = house.store().await;
    let all = store.list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!(all, [Arc::clone(&pending), Arc::clone(&denied)]);
    assert_eq!(*store.deliveries(pending.id()).await.unwrap(), [intended()]);
    assert_eq!(store.freeze().await.unwrap(), Some(freeze));
    assert!(store.read(pending.id()).await.unwrap().unwrap().frozen);
    assert_eq!(events(&store, &sink).await, trail);
    assert_eq!(store.append(Vec::new()).await.unwrap(), 5);
    assert_eq!(store.due(10).await.unwrap().abandoned, [pending.id()]);
    let keyed = house.sample().key("step-1").opening();
    let found = store.open(keyed, Vec::new()).await.unwrap();
    assert!(matches!(found, Opened::Found(record) if record == pending));
    let again = house.sample().table("salaries").opening();
    let refused = store.open(again, Vec::new()).await.unwrap();
    assert!(
        matches!(&refused, Opened::Refused(Refusal::DenialStands(record)) if *record == denied),
        "{refused:?}"
    );
    let proposed = house.ask(&store, &house.sample().table("orders")).await;
    assert!(proposed.excluded.contains(&person("alice")));
    let limits = Limits {
        asks_per_hour: 3,
        ..Limits::default()
    };
    let fourth = house.sample().table("people").limits(limits).opening();
    let refused = store.open(fourth, Vec::new()).await.unwrap();
    assert!(
        matches!(refused, Opened::Refused(Refusal::TooManyAsks(3))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_store_that_is_dropped_has_what_it_acknowledged() {
    let house = House::new();
    let store = house.store().await;
    let asked = house.ask(&store, &house.sample()).await;
    drop(store);
    let store = house.store().await;
    assert_eq!(store.read(asked.id()).await.unwrap().unwrap().record, asked);
}

#[tokio::test]
async fn a_clock_that_is_set_back_an_hour_judges_nothing_also_after_a_restart() {
    let house = House::new();
    let store = house.store().await;
    let record = house.ask(&store, &house.sample()).await;
    let withdraw = house.swap(&record, &withdraw());
    let committed = store.now().await.unwrap();
    house.clock.jump_back(Duration::from_secs(3600));
    let hour = Duration::from_secs(3600);
    for store in [store, house.store().await] {
        for told in [
            store.now().await.err(),
            store.read(record.id()).await.err(),
            store.due(10).await.err(),
            store.compare_and_swap(withdraw.clone()).await.err(),
            store.append(vec![NewEvent::new(What::Expired)]).await.err(),
            store
                .open(house.sample().table("orders").opening(), Vec::new())
                .await
                .err(),
        ] {
            assert!(
                matches!(
                    told,
                    Some(StoreError::Clock(ClockError::Jumped { direction: "back", by })) if by == hour
                ),
                "{told:?}"
            );
        }
        store.close().await;
    }
    // When it has caught up, everything is as it was.
    house.clock.set(committed);
    let store = house.store().await;
    let snapshot = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(snapshot.now, committed);
    assert_eq!(snapshot.record, record);
    assert_eq!(store.append(Vec::new()).await.unwrap(), 1);
    house.clock.jump_back(Duration::from_secs(1));
    assert_eq!(store.now().await.unwrap(), committed, "a clock is slewed");
}

#[tokio::test]
async fn time_goes_on_from_what_another_process_committed() {
    let house = House::new();
    let (one, other) = (house.store().await, house.store().await);
    house.clock.advance(Duration::from_secs(60));
    one.append(vec![NewEvent::new(What::Expired)])
        .await
        .unwrap();
    let committed = one.now().await.unwrap();
    let behind = ManualClock::at(committed);
    behind.jump_back(Duration::from_secs(1));
    let slow = house
        .builder()
        .clock(Arc::new(behind))
        .open()
        .await
        .unwrap();
    assert_eq!(slow.now().await.unwrap(), committed);
    assert_eq!(other.now().await.unwrap(), committed);
}

#[tokio::test]
async fn what_may_have_run_before_is_stored_as_asked_in_those_words() {
    let house = House::new();
    let store = house.store().await;
    let sink = sink(&store).await;
    let sample = house.sample().idempotent();
    let id = house.ask(&store, &sample).await.id();
    house.vote(&store, id, Choice::Approve).await;
    let why = "it is not known".into();
    for step in [
        claim_and_start(OwnerId::new()),
        Command::Abandon { fence: 1, why },
    ] {
        house.carry(&store, id, &step).await;
    }
    let again = house.ask(&store, &house.sample().idempotent()).await;
    assert_eq!(again.asked.may_have_run, Some(id));
    let elsewhere = house.store().await;
    let read = elsewhere.read(again.id()).await.unwrap().unwrap().record;
    assert_eq!(read, again);
    let trail = events(&store, &sink).await;
    let asked = trail.iter().rev().find_map(|event| match &event.what {
        What::Requested { asked } => Some(asked),
        _ => None,
    });
    assert_eq!(asked, Some(&again.asked));
}
