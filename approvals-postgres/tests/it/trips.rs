//! How often a store waits for the server.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::review::Choice;
use approvals_core::store::{Delivery, DeliveryState, Opened, Swapped};
use approvals_core::{Coverage, Receipt, RequestStore, What};
use approvals_testing::sample::person;

use crate::proxy::Proxy;
use crate::support::{Place, ask, sample, swap, vote};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_and_written_takes_two_round_trips_and_a_look_or_a_swap_takes_one() {
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
    let first = ask(&store, &sample(&store).await).await;
    let noted = store.note_delivery(first.id(), delivery.clone());
    noted.await.unwrap();
    let voting = swap(&store, first.id(), &vote(&first, "alice", Choice::Approve)).await;
    let sample = sample(&store).await.table("salaries");
    proxy.answers();
    let opened = store.open(sample.opening(), vec![delivery.clone()]).await;
    let Opened::Asked { record, .. } = opened.unwrap() else {
        panic!("people should be asked");
    };
    assert_eq!(proxy.answers(), 2, "open");
    store.note_delivery(record.id(), delivery).await.unwrap();
    assert_eq!(proxy.answers(), 1, "note_delivery");
    store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(proxy.answers(), 1, "read");
    let voted = store.compare_and_swap(voting).await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
    assert_eq!(proxy.answers(), 1, "compare_and_swap");
    store.append(vec![event()]).await.unwrap();
    assert_eq!(proxy.answers(), 2, "append");
}
