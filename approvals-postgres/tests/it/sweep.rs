//! What becomes of a gate over a server when any of its operations fails.

use std::sync::Arc;

use approvals_core::RequestStore;
use approvals_testing::sweep::{FAULTS, sweep};

use crate::support::Place;

/// Every fortieth operation fails once, in each way, with a required sink and with one that is fed
/// behind; hints are lost, doubled, late and out of order.
#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_gate_over_a_server_runs_nothing_without_a_yes_or_twice() {
    if Place::new().is_none() {
        return;
    }
    let stores = sweep(&FAULTS, 40, |clock| async move {
        let place = Place::new().unwrap();
        let store = place.builder().clock(clock).connect().await;
        Arc::new(store.unwrap()) as Arc<dyn RequestStore>
    });
    let stores = stores.await;
    println!("{stores} stores");
    assert!(stores > 25, "{stores} stores");
}
