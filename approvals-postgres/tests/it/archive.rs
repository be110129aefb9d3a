//! What is archived, and what still decides.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Choice, Phase};
use approvals_core::store::{Filter, Opened};
use approvals_core::{OwnerId, RequestStore, Requirement};
use approvals_postgres::PostgresStore;
use approvals_testing::ManualClock;
use approvals_testing::sample::REVIEWERS;

use crate::support::{Place, ask, claim, done, finished, sample, start, vote};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn world() -> Option<(Arc<PostgresStore>, Arc<ManualClock>)> {
    let place = Place::new()?;
    let clock = Arc::new(ManualClock::new());
    let store = place.builder().clock(Arc::clone(&clock) as _).connect();
    Some((Arc::new(store.await.unwrap()), clock))
}

async fn listed(store: &PostgresStore) -> usize {
    store
        .list(&Filter::default(), None, 100)
        .await
        .unwrap()
        .len()
}

const EVERYTHING: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_finds_its_request_after_it_was_archived() {
    let Some((store, clock)) = world().await else {
        return;
    };
    let keyed = sample(&store).await.key("step-1");
    let id = finished(&store, &keyed).await.id();
    let unkeyed = finished(&store, &sample(&store).await.table("orders"))
        .await
        .id();
    clock.advance(DAY * 3);
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 2);
    assert_eq!(listed(&store).await, 0);
    assert!(store.read(unkeyed).await.unwrap().is_none());
    let told = store.read(id).await.unwrap().unwrap();
    assert_eq!(told.record.state.phase(), Phase::Succeeded);
    let opening = sample(&store).await.key("step-1").opening();
    let found = store.open(opening, Vec::new()).await.unwrap();
    assert!(
        matches!(&found, Opened::Found(record) if record.id() == id),
        "{found:?}"
    );
    let other = sample(&store).await.key("step-1").table("salaries");
    let refused = store.open(other.opening(), Vec::new()).await.unwrap();
    assert!(matches!(refused, Opened::Refused(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_archived_that_is_not_over_or_was_not_over_for_long() {
    let Some((store, clock)) = world().await else {
        return;
    };
    ask(&store, &sample(&store).await.table("pending")).await;
    let lost = ask(&store, &sample(&store).await.table("lost")).await;
    done(&store, lost.id(), &vote(&lost, "alice", Choice::Approve)).await;
    let owner = OwnerId::new();
    done(&store, lost.id(), &claim(owner)).await;
    done(&store, lost.id(), &start(owner, 1)).await;
    clock.advance(DAY * 3);
    finished(&store, &sample(&store).await.table("new")).await;
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 0);
    assert_eq!(listed(&store).await, 3);
    clock.advance(DAY * 3);
    assert_eq!(store.archive(DAY * 10_000).await.unwrap(), 0);
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 1);
    assert_eq!(listed(&store).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_archived_when_it_is_over_and_no_sooner() {
    let Some((store, clock)) = world().await else {
        return;
    };
    let reusable = || {
        let one = Requirement::one_of(REVIEWERS).unwrap();
        one.reuse(3, DAY * 7).unwrap()
    };
    let grantor = finished(&store, &sample(&store).await.requirement(reusable())).await;
    assert!(grantor.grant.is_some());
    clock.advance(DAY * 2);
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 0);
    let opening = sample(&store).await.requirement(reusable()).opening();
    let granted = store.open(opening, Vec::new()).await.unwrap();
    assert!(matches!(granted, Opened::Granted { .. }), "{granted:?}");
    clock.advance(DAY * 7);
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_kept_while_it_closes_a_grant() {
    let Some((store, clock)) = world().await else {
        return;
    };
    let reusable = |days| {
        let one = Requirement::one_of(REVIEWERS).unwrap();
        one.reuse(3, DAY * days).unwrap()
    };
    finished(&store, &sample(&store).await.requirement(reusable(7))).await;
    // Another requirement asks people again, and they say no.
    let other = ask(&store, &sample(&store).await.requirement(reusable(6))).await;
    done(&store, other.id(), &vote(&other, "alice", Choice::Deny)).await;
    clock.advance(DAY * 2);
    assert_eq!(store.archive(EVERYTHING).await.unwrap(), 0);
    let opening = sample(&store).await.requirement(reusable(7)).opening();
    let asked = store.open(opening, Vec::new()).await.unwrap();
    assert!(matches!(asked, Opened::Asked { .. }), "{asked:?}");
}
