//! A process that is killed while it writes loses nothing that was acknowledged.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use approvals_core::store::{Filter, Opened};
use approvals_core::{Limits, RequestStore, Timestamp};
use approvals_sqlite::SqliteStore;
use approvals_testing::ManualClock;
use approvals_testing::sample::Sample;

use crate::support::{House, events, intended, sink};

const FILE: &str = "APPROVALS_SQLITE_KILLED";
const KILLS: usize = 5;

/// Writes until it is killed, and says what was acknowledged.
async fn write(file: std::ffi::OsString) {
    let now = Timestamp::from_millis(1_769_860_800_000);
    let clock = Arc::new(ManualClock::at(now));
    let store = SqliteStore::builder(file).clock(clock).open().await;
    let store = Arc::new(store.unwrap());
    let limits = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let writers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                let opening = Sample::at(now).limits(limits).opening();
                match store.open(opening, vec![intended()]).await {
                    Ok(Opened::Asked { record, .. }) => println!("acknowledged {}", record.id()),
                    other => return format!("{other:?}"),
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut ended = Vec::new();
    for writer in writers {
        ended.push(writer.await.unwrap());
    }
    panic!("the writers ended: {ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_nothing_that_was_acknowledged() {
    if let Some(file) = std::env::var_os(FILE) {
        return write(file).await;
    }
    let house = House::new();
    let observer = sink(&house.store().await).await;
    let mut acknowledged = Vec::new();
    for kill in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "killed::a_process_that_is_killed_loses_nothing_that_was_acknowledged",
                "--exact",
                "--nocapture",
            ])
            .env(FILE, house.directory.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = 0;
        let mut take = |line: std::io::Result<String>| {
            let line = line.unwrap_or_default();
            if let Some((_, id)) = line.split_once("acknowledged ")
                && let Ok(id) = id.parse()
            {
                acknowledged.push(id);
                read += 1;
            }
            read
        };
        // Never at the same place.
        for line in lines.by_ref() {
            if take(line) >= kill * 7 {
                break;
            }
        }
        child.kill().unwrap();
        for line in lines {
            take(line);
        }
        child.wait().unwrap();
        let store = house.store().await;
        let listed = store.list(&Filter::default(), None, 100_000).await.unwrap();
        let mut lost = acknowledged.clone();
        lost.retain(|id| !listed.iter().any(|record| record.id() == *id));
        assert!(lost.is_empty(), "after kill {kill}: {lost:?}");
        let numbers: Vec<u64> = events(&store, &observer)
            .await
            .iter()
            .map(|event| event.number)
            .collect();
        let all = u64::try_from(listed.len()).unwrap();
        assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
        store.close().await;
    }
    assert!(acknowledged.len() >= KILLS);
}
