//! Processes that are killed while they append.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use approvals_audit::{AuditLog, Ed25519Signer, Signer, Verifier};
use approvals_core::{AuditSink, Event};

use crate::support::*;

const VARIABLE: &str = "APPROVALS_AUDIT_CRASHING_IN";
const TASKS: usize = 8;

/// Not a test by itself: the process that is killed. It says what was acknowledged.
#[test]
#[ignore = "run by the test that kills it"]
fn appends_until_it_is_killed() {
    let Ok(place) = std::env::var(VARIABLE) else {
        return;
    };
    let place = Path::new(&place);
    let key = Ed25519Signer::from_file(place.join("key")).unwrap();
    let all: Vec<Event> = serde_json::from_slice(&fs::read(place.join("trail")).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let log = AuditLog::at(place.join("log"), Arc::new(key))
            .open()
            .await
            .unwrap();
        let (log, all) = (Arc::new(log), Arc::new(all));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (log, all) = (Arc::clone(&log), Arc::clone(&all));
                tokio::spawn(async move {
                    for some in all.chunks(task + 1) {
                        // Another task may not have come so far yet.
                        while log.record(some).await.is_err() {
                            tokio::task::yield_now().await;
                        }
                        let last = some.last().unwrap().number;
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "kept {last}").unwrap();
                        out.flush().unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Starts the process, and kills it after a while. The highest number that it acknowledged.
fn killed_after(place: &Path, while_it_runs: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::appends_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(VARIABLE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let kept = lines.map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("kept ")?.parse::<u64>().ok()?;
            // Whoever waits for the first one only.
            let _ = sender.send(());
            Some(number)
        });
        kept.max().unwrap_or(0)
    });
    // From the first acknowledgement on, or while it opens the log.
    let _ = begun.recv_timeout(while_it_runs.max(Duration::from_millis(40)));
    std::thread::park_timeout(while_it_runs);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let kills: u64 = match std::env::var("APPROVALS_AUDIT_KILLS") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 500,
    };
    let mut remembered = Vec::new();
    let mut torn = BTreeSet::new();
    let (mut place, mut key) = begin();
    for round in 0..kills {
        let wait = Duration::from_micros((round * 7919) % 60_000);
        let acknowledged = killed_after(place.path(), wait);
        let log = place.path().join("log");
        if !log.join("checkpoint").exists() {
            assert_eq!(acknowledged, 0);
            continue;
        }
        torn.insert(open_files(&log));
        // As it was left: whoever only reads it, before anybody opens it for writing.
        let mut verifier = Verifier::new(&log, [key.key().clone()]);
        if let Some(seen) = remembered.last() {
            verifier = verifier.remembering(Clone::clone(seen));
        }
        let left = verifier.run().unwrap();
        assert!(
            left.entries >= acknowledged,
            "{} of {acknowledged}",
            left.entries
        );
        // And once the next writer has opened it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let reopened = AuditLog::at(&log, key.clone()).open();
        runtime.block_on(async { reopened.await.unwrap().close().await });
        let report = verifier.run().unwrap();
        assert_eq!(report.entries, left.entries);
        remembered.push(report.checkpoint);
        if report.entries == EVENTS {
            (place, key) = begin();
            remembered.clear();
        }
    }
    println!("{kills} kills; bundles that were open: {torn:?}");
}

const EVENTS: u64 = 3000;

fn begin() -> (tempfile::TempDir, Arc<Ed25519Signer>) {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let path = place.path().join("key");
    fs::write(&path, key.private()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let trail = serde_json::to_vec(&trail(EVENTS)).unwrap();
    fs::write(place.path().join("trail"), trail).unwrap();
    (place, key)
}

fn open_files(log: &Path) -> usize {
    fs::read_dir(log.join("open")).unwrap().count()
}
