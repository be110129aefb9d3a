//! The store keeps every rule that any store keeps.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use approvals_core::{Clock, RequestStore};
use approvals_sqlite::SqliteStore;
use approvals_testing::store::{
    archive_conformance, conformance, duties_conformance, processes_conformance,
};

use crate::support::Directory;

/// Files that are removed when the suite has ended.
#[derive(Default)]
struct Files(Mutex<Vec<Directory>>);

impl Files {
    fn new_file(&self) -> PathBuf {
        let directory = Directory::new();
        let file = directory.file();
        self.0.lock().unwrap().push(directory);
        file
    }
}

async fn on(file: &Path, clock: Arc<dyn Clock>) -> Arc<SqliteStore> {
    let store = SqliteStore::builder(file).clock(clock).open().await;
    Arc::new(store.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_keeps_every_rule() {
    let files = Files::default();
    let report = conformance(|clock| {
        let file = files.new_file();
        async move { on(&file, clock).await as Arc<dyn RequestStore> }
    })
    .await;
    println!("{} rules", report.judged().len());
    report.assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_shares_duties_out() {
    let files = Files::default();
    let report = duties_conformance(|clock| {
        let file = files.new_file();
        async move { on(&file, clock).await as Arc<dyn RequestStore> }
    });
    report.await.assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_stores_on_one_file_keep_the_rules_of_several_processes() {
    let files = Files::default();
    let report = processes_conformance(|clock| {
        let file = files.new_file();
        async move {
            let one: Arc<dyn RequestStore> = on(&file, Arc::clone(&clock)).await;
            [one, on(&file, clock).await]
        }
    });
    report.await.assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_store_archives_what_decides_about_nothing_any_more() {
    let files = Files::default();
    let make = |clock| {
        let file = files.new_file();
        async move { on(&file, clock).await }
    };
    let archive =
        |store: Arc<SqliteStore>, finished_for| async move { store.archive(finished_for).await };
    archive_conformance(make, archive).await.assert_kept();
}
