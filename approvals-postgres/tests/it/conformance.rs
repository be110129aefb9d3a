use std::sync::Arc;

use approvals_core::{Clock, RequestStore};
use approvals_testing::store::{conformance, duties_conformance, processes_conformance};

use crate::support::Place;

async fn on(place: &Place, clock: Arc<dyn Clock>) -> Arc<dyn RequestStore> {
    Arc::new(place.builder().clock(clock).connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_keeps_every_promise_of_a_request_store() {
    if Place::new().is_none() {
        return;
    }
    conformance(|clock| async move { on(&Place::new().unwrap(), clock).await })
        .await
        .assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_shares_duties_out() {
    if Place::new().is_none() {
        return;
    }
    duties_conformance(|clock| async move { on(&Place::new().unwrap(), clock).await })
        .await
        .assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stores_on_one_database_keep_the_rules_of_several_processes() {
    if Place::new().is_none() {
        return;
    }
    let report = processes_conformance(|clock| async move {
        let place = Place::new().unwrap();
        [
            on(&place, Arc::clone(&clock)).await,
            on(&place, clock).await,
        ]
    });
    report.await.assert_kept();
}
