use std::sync::Arc;

use approvals_core::RequestStore;

use crate::support::Place;

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_keeps_every_promise_of_a_request_store() {
    if Place::new().is_none() {
        return;
    }
    approvals_testing::store::conformance(|clock| async move {
        let place = Place::new().unwrap();
        let store = place.builder().clock(clock).connect().await.unwrap();
        Arc::new(store) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}
