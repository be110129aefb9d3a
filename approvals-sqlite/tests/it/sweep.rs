//! What becomes of a gate over a file when any of its operations fails.

use std::sync::{Arc, Mutex};

use approvals_core::RequestStore;
use approvals_sqlite::SqliteStore;
use approvals_testing::sweep::{FAULTS, sweep};

use crate::support::Directory;

/// Every twentieth operation fails once, in each way, with a required sink and with one that is
/// fed behind; hints are lost, doubled, late and out of order.
#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_gate_over_a_file_runs_nothing_without_a_yes_or_twice() {
    let files: Mutex<Vec<Directory>> = Mutex::default();
    let stores = sweep(&FAULTS, 20, |clock| {
        let directory = Directory::new();
        let file = directory.file();
        files.lock().unwrap().push(directory);
        async move {
            let store = SqliteStore::builder(&file).clock(clock).open().await;
            Arc::new(store.unwrap()) as Arc<dyn RequestStore>
        }
    });
    let stores = stores.await;
    println!("{stores} files");
    assert!(stores > 40, "{stores} files");
}
