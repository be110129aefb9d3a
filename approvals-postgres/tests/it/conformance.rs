use std::sync::Arc;

use approvals_core::{Clock, RequestStore};
use approvals_postgres::PostgresStore;
use approvals_testing::store::{
    archive_conformance, conformance, duties_conformance, processes_conformance,
};

use crate::support::Place;

async fn on(place: &Place, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
    Arc::new(place.builder().clock(clock).connect().await.unwrap())
}

async fn somewhere(clock: Arc<dyn Clock>) -> Arc<dyn RequestStore> {
    on(&Place::new().unwrap(), clock).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_keeps_every_promise_of_a_request_store() {
    if Place::new().is_none() {
        return;
    }
    conformance(somewhere).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_shares_duties_out() {
    if Place::new().is_none() {
        return;
    }
    duties_conformance(somewhere).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stores_on_one_database_keep_the_rules_of_several_processes() {
    if Place::new().is_none() {
        return;
    }
    let report = processes_conformance(|clock| async move {
        let place = Place::new().unwrap();
        let one: Arc<dyn RequestStore> = on(&place, Arc::clone(&clock)).await;
        [one, on(&place, clock).await]
    });
    report.await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_archives_what_decides_about_nothing_any_more() {
    if Place::new().is_none() {
        return;
    }
    let make = |clock| async move { on(&Place::new().unwrap(), clock).await };
    let archive =
        |store: Arc<PostgresStore>, finished_for| async move { store.archive(finished_for).await };
    archive_conformance(make, archive).await.assert_kept();
}
