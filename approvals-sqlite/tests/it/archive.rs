//! What is archived, what is kept, and what is still found.

use std::time::Duration;

use approvals_core::review::{Choice, Command, Phase};
use approvals_core::store::{Filter, Opened};
use approvals_core::{RequestStore, Requirement};
use approvals_testing::sample::REVIEWERS;

use crate::shared::withdraw;
use crate::support::{House, events, intended, sink};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_finished_request_goes_and_its_key_still_tells_how_it_ended() {
    let house = House::new();
    let store = house.store().await;
    let sink = sink(&store).await;
    let keyed = house.ask(&store, &house.sample().key("step-1")).await;
    let other = house.ask(&store, &house.sample().table("orders")).await;
    let pending = house.ask(&store, &house.sample().table("people")).await;
    for id in [keyed.id(), other.id()] {
        house.carry(&store, id, &withdraw()).await;
    }
    let trail = events(&store, &sink).await;
    house.clock.advance(HOUR);
    assert_eq!(store.archive(DAY).await.unwrap(), 0, "it is too early");
    house.clock.advance(DAY);
    assert_eq!(store.archive(DAY).await.unwrap(), 2);
    assert_eq!(store.archive(DAY).await.unwrap(), 0);

    let listed = store.list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed, [pending]);
    assert!(store.read(other.id()).await.unwrap().is_none());
    let rest = store.read(keyed.id()).await.unwrap().unwrap().record;
    assert_eq!(rest.state.phase(), Phase::Withdrawn);
    assert_eq!(rest.asked.digest, keyed.asked.digest);
    assert_eq!(rest.asked.call.digest(), keyed.asked.digest);
    assert!(
        rest.asked.call.argument("table").is_none(),
        "arguments are gone"
    );
    for left in ["principals", "requests"] {
        let count: String = match left {
            "principals" => house.look("SELECT CAST(count(*) AS TEXT) FROM principals"),
            _ => house.look("SELECT CAST(count(*) AS TEXT) FROM requests"),
        };
        let wanted = if left == "principals" { "2" } else { "1" };
        assert_eq!(count, wanted, "{left}");
    }

    store.close().await;
    let store = house.store().await;
    let again = house.sample().key("step-1").opening();
    let found = store.open(again, vec![intended()]).await.unwrap();
    assert!(
        matches!(&found, Opened::Found(record) if *record == rest),
        "{found:?}"
    );
    let another = house.sample().table("orders").key("step-1").opening();
    let refused = store.open(another, vec![intended()]).await.unwrap();
    assert!(matches!(refused, Opened::Refused(_)), "{refused:?}");
    assert_eq!(events(&store, &sink).await, trail, "no sink has them yet");
}

#[tokio::test]
async fn what_still_decides_is_kept() {
    let house = House::new();
    let store = house.store().await;
    let reusable = Requirement::one_of(REVIEWERS)
        .unwrap()
        .reuse(3, HOUR * 72)
        .unwrap();
    let sample = house.sample().requirement(reusable);
    let grantor = house.ask(&store, &sample).await.id();
    house.vote(&store, grantor, Choice::Approve).await;
    house.clock.advance(Duration::from_secs(1));
    // Approved and not run in time: it is finished, and its grant is open.
    let lapsed = house.ask(&store, &house.sample().table("orders")).await;
    house.vote(&store, lapsed.id(), Choice::Approve).await;
    house.clock.advance(HOUR);
    for id in [grantor, lapsed.id()] {
        let record = house.carry(&store, id, &Command::Due).await;
        assert_eq!(record.state.phase(), Phase::Lapsed);
    }
    let denied = house.ask(&store, &house.sample()).await.id();
    house.vote(&store, denied, Choice::Deny).await;
    house.clock.advance(HOUR);
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 1);
    let listed = async || {
        let listed = store.list(&Filter::default(), None, 10).await.unwrap();
        listed.iter().map(|record| record.id()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [grantor, denied]);
    house.clock.advance(DAY);
    // The denial closes the grant, and stays as long as that is open.
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 0);
    house.clock.advance(DAY * 3);
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 2);
    assert!(listed().await.is_empty());
}

#[tokio::test]
async fn what_is_in_doubt_is_never_archived() {
    let house = House::new();
    let store = house.store().await;
    let id = house.ask(&store, &house.sample()).await.id();
    house.edit("UPDATE requests SET phase = 'in_doubt', finished = 1, record = json_set(record, '$.state', json('{\"phase\":\"in_doubt\",\"at\":1,\"why\":\"it crashed\"}'))");
    house.clock.advance(DAY * 400);
    assert_eq!(store.archive(Duration::ZERO).await.unwrap(), 0);
    assert!(store.read(id).await.unwrap().is_some());
}
