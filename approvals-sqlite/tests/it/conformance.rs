//! The store keeps every rule that any store keeps.

use std::sync::Arc;
use std::sync::Mutex;

use approvals_core::RequestStore;
use approvals_sqlite::SqliteStore;

use crate::support::Directory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_keeps_every_rule() {
    let directories = Mutex::new(Vec::new());
    let report = approvals_testing::store::conformance(|clock| {
        let directory = Directory::new();
        let file = directory.file();
        directories.lock().unwrap().push(directory);
        async move {
            let store = SqliteStore::builder(file).clock(clock).open().await;
            Arc::new(store.unwrap()) as Arc<dyn RequestStore>
        }
    })
    .await;
    println!("{} rules", report.judged().len());
    report.assert_kept();
}
