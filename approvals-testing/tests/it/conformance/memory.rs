//! The in-memory adapters keep every rule.

use std::sync::Arc;

use approvals_core::RequestStore;
use approvals_core::memory::MemoryStore;
use approvals_testing::faults::{FaultyStore, Script};
use approvals_testing::store;

#[tokio::test(start_paused = true)]
async fn the_in_memory_store_keeps_every_rule() {
    let report = store::conformance(|clock| async move {
        Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
    })
    .await;
    println!("{} rules", report.judged().len());
    report.assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_in_memory_store_keeps_every_rule_between_threads() {
    store::conformance(|clock| async move {
        Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}

#[tokio::test(start_paused = true)]
async fn a_faulty_store_without_a_fault_keeps_every_rule() {
    store::conformance(|clock| async move {
        let inner = Arc::new(MemoryStore::with_clock(clock));
        Arc::new(FaultyStore::new(inner, Arc::new(Script::new()))) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}
