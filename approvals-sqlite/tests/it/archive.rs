//! What is archived, what is kept, and what is still found.

use std::time::Duration;

use approvals_core::RequestStore;
use approvals_core::review::Phase;
use approvals_core::store::{Filter, Opened};

use crate::support::{House, events, intended, sink, withdraw};

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
    assert_eq!(
        house.look("SELECT CAST(count(*) AS TEXT) FROM requests"),
        "1"
    );
    // Entries of kind 1 say what changed.
    let found = "SELECT group_concat(DISTINCT hex(request)) FROM entries WHERE kind > 1";
    let left: String = listed[0]
        .id()
        .to_bytes()
        .map(|b| format!("{b:02X}"))
        .concat();
    assert_eq!(house.look(found), left, "nothing finds what is gone");

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
