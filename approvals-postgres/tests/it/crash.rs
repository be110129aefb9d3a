//! Servers that are killed, answers that are lost, transactions that the server undoes.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Choice, Phase};
use approvals_core::store::Swapped;
use approvals_core::{OwnerId, RequestStore, StoreError};
use sqlx::Executor;

use crate::proxy::{Network, Proxy};
use crate::support::{Place, ask, carry, claim, done, own_server, sample, start, swap, vote};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_a_clear_error_and_has_lost_nothing_when_it_is_back() {
    let Some(server) = own_server() else { return };
    let place = Place::at(server.url("postgres"));
    let store = place
        .builder()
        .answer_within(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    let record = ask(&store, &sample(&store).await.key("step-1")).await;
    let id = record.id();
    let approved = done(&store, id, &vote(&record, "alice", Choice::Approve)).await;
    let owner = OwnerId::new();
    let claiming = swap(&store, id, &claim(owner)).await;
    server.crash().unwrap();
    for error in [
        store.compare_and_swap(claiming.clone()).await.unwrap_err(),
        store.read(id).await.unwrap_err(),
        store.now().await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    }
    server.restart().unwrap();
    let stands = store.read(id).await.unwrap().unwrap();
    assert_eq!(*stands.record, *approved);
    let claimed = store.compare_and_swap(claiming).await.unwrap();
    assert!(matches!(claimed, Swapped::Done { .. }), "{claimed:?}");
    server.crash().unwrap();
    server.restart().unwrap();
    // Its idle connections are dead and nobody has noticed yet.
    let started = carry(&store, id, &start(owner, 1)).await.unwrap();
    assert!(matches!(started, Swapped::Done { .. }), "{started:?}");
}

/// Votes through a network that breaks at the commit; returns whether the vote stands.
async fn vote_stands_when(network: Network) -> Option<bool> {
    let place = Place::new()?;
    let direct = place.store().await;
    let proxy = Proxy::before(&place.url).await;
    let through = Place {
        url: proxy.url(),
        ..place.clone()
    };
    let store = through.store().await;
    let record = ask(&direct, &sample(&direct).await).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    proxy.set(network);
    let error = store.compare_and_swap(voting).await.unwrap_err();
    assert!(proxy.has_broken());
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(
        error.to_string().contains("it may have been done"),
        "{error}"
    );
    // The network is back, and the same store tells.
    let told = store.read(record.id()).await.unwrap().unwrap();
    let stands = direct.read(record.id()).await.unwrap().unwrap();
    assert_eq!(*told.record, *stands.record);
    Some(stands.record.state.phase() == Phase::Approved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_may_have_been_done_and_reading_tells() {
    let Some(stands) = vote_stands_when(Network::BreaksAfterCommit).await else {
        return;
    };
    assert!(stands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_did_not_arrive_may_have_been_done_and_reading_tells() {
    let Some(stands) = vote_stands_when(Network::BreaksBeforeCommit).await else {
        return;
    };
    assert!(!stands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_undone_and_done_again_inside_the_store() {
    let Some(place) = Place::new() else { return };
    let store = place.store().await;
    let record = ask(&store, &sample(&store).await).await;
    let voting = swap(
        &store,
        record.id(),
        &vote(&record, "alice", Choice::Approve),
    )
    .await;
    // Somebody takes the same locks in the other order, and is the more patient of the two.
    let mut other = place.connection().await;
    other
        .execute("SET deadlock_timeout = '60s'; BEGIN; SELECT FROM head FOR UPDATE")
        .await
        .unwrap();
    let voting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.compare_and_swap(voting).await.unwrap() }
    });
    place.until_somebody_waits("transactionid").await;
    // Returns when the store was made to let go of the row.
    other
        .execute("SELECT FROM requests FOR UPDATE; COMMIT")
        .await
        .unwrap();
    let voted = voting.await.unwrap();
    assert!(matches!(voted, Swapped::Done { .. }), "{voted:?}");
    let stands = store.read(record.id()).await.unwrap().unwrap();
    assert_eq!(stands.record.revision, 2);
}
