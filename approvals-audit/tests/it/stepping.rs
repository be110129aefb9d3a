//! A log whose every signature is waited for: what happens before one is signed, and what does not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use approvals_audit::{AuditLog, Directory, Ed25519Signer, SignError, Signer, VerifierKey};
use approvals_core::{AuditSink, Timestamp};
use approvals_testing::sample::Sample;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::*;

/// Signs when it is told to, once somebody tells it.
#[derive(Debug)]
struct Stepping {
    key: Arc<Ed25519Signer>,
    asks: Mutex<Option<UnboundedSender<mpsc::Sender<()>>>>,
    signed: AtomicUsize,
}

impl Stepping {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            key: key(),
            asks: Mutex::default(),
            signed: AtomicUsize::new(0),
        })
    }

    /// From now on every signature is asked for here, and waits for the answer.
    fn step(&self) -> UnboundedReceiver<mpsc::Sender<()>> {
        let (asks, asked) = unbounded_channel();
        *self.asks.lock().unwrap() = Some(asks);
        asked
    }

    fn signed(&self) -> usize {
        self.signed.load(Ordering::SeqCst)
    }
}

impl Signer for Stepping {
    fn key(&self) -> &VerifierKey {
        self.key.key()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        let asks = self.asks.lock().unwrap().clone();
        if let Some(asks) = asks {
            let (go, wait) = mpsc::channel();
            // When the test has ended nobody answers, and nobody has to.
            let _ = asks.send(go);
            let _ = wait.recv();
        }
        self.signed.fetch_add(1, Ordering::SeqCst);
        self.key.sign(text)
    }
}

/// Lets every task do all that it can do.
async fn everybody_goes_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What is signed on the disk: of each entry its member of this name.
fn on_disk(log: &Path, key: &VerifierKey, member: &str) -> Vec<serde_json::Value> {
    let size = verify(log, key).unwrap().checkpoint.size;
    let directory = Directory::at(log);
    let entries = (0..size).map(|index| directory.entry(index, size).unwrap());
    let entries = entries.map(|entry| serde_json::from_slice::<serde_json::Value>(&entry).unwrap());
    entries.map(|entry| entry[member].clone()).collect()
}

#[tokio::test]
async fn events_of_many_tasks_share_commits_and_none_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let key = Stepping::new();
    let log = AuditLog::at(place.path(), key.clone());
    let log = Arc::new(log.open().await.unwrap());
    let all = Arc::new(trail(600));
    let record = |piece: std::ops::Range<usize>| {
        let (log, all) = (Arc::clone(&log), Arc::clone(&all));
        tokio::spawn(async move { log.record(&all[piece]).await })
    };
    let (mut asks, before) = (key.step(), key.signed());
    let first = record(0..100);
    let go = asks.recv().await.unwrap();
    // While it is being committed others come, each with what comes next.
    let pieces = [100, 101, 150, 151, 300, 301, 302, 500, 600];
    let tasks = pieces.windows(2).map(|ends| record(ends[0]..ends[1]));
    let tasks: Vec<_> = tasks.collect();
    everybody_goes_on().await;
    assert!(!first.is_finished() && !tasks.iter().any(|task| task.is_finished()));
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    // The next commit is for all of them, and until it is signed none is told anything.
    let go = asks.recv().await.unwrap();
    everybody_goes_on().await;
    assert!(!tasks.iter().any(|task| task.is_finished()));
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 100);
    go.send(()).unwrap();
    // Nobody is asked for a third: it would be signed, and counted.
    drop(asks);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(key.signed() - before, 2);
    let ids = all.iter().map(|event| serde_json::to_value(event.id));
    let ids: Result<Vec<_>, _> = ids.collect();
    assert_eq!(on_disk(place.path(), key.key(), "id"), ids.unwrap());
}

/// Whoever has the whole trail may offer it in any pieces, and nothing is there twice.
#[tokio::test]
async fn a_trail_that_many_tasks_offer_at_once_is_kept_once() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone()).open().await;
    let log = Arc::new(log.unwrap());
    let all = Arc::new(trail(600));
    let tasks = (0..8).map(|task| {
        let (log, all) = (Arc::clone(&log), Arc::clone(&all));
        tokio::spawn(async move {
            for some in all.chunks(task + 5) {
                while log.record(some).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    Arc::into_inner(log).unwrap().close().await;
    let ids = all.iter().map(|event| serde_json::to_value(event.id));
    let ids: Result<Vec<_>, _> = ids.collect();
    assert_eq!(on_disk(place.path(), key.key(), "id"), ids.unwrap());
}

#[tokio::test]
async fn every_event_that_licenses_a_run_is_in_the_log() {
    let place = tempfile::tempdir().unwrap();
    let key = Stepping::new();
    let log = AuditLog::at(place.path(), key.clone()).open().await;
    let (gate, approver) = crate::refusing::gate(log.unwrap()).await;
    let mut asks = key.step();
    let (asked, claimed, runs) = <(AtomicBool, AtomicBool, AtomicBool)>::default();
    let set = |flag: &AtomicBool| flag.store(true, Ordering::SeqCst);
    let run = async {
        let sample = Sample::at(Timestamp::from_millis(1));
        let admitted = gate.authorize(sample.call()).await.unwrap();
        set(&claimed);
        let permit = admitted.start(&sample.call()).await.unwrap();
        set(&runs);
        permit.finish(true).await;
        gate.flush().await;
    };
    let yes = async {
        let request = approver.next().await;
        set(&asked);
        request.approve_as("alice").await.unwrap();
    };
    let licensed = async {
        let kinds = || on_disk(place.path(), key.key(), "what");
        let is_there = |kind: &str| kinds().iter().any(|known| known == kind);
        while let Some(go) = asks.recv().await {
            // Nobody goes further than what is signed by now says.
            everybody_goes_on().await;
            let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
            assert!(!is(&asked) || is_there("requested"));
            assert!(!is(&claimed) || is_there("approved") && is_there("claimed"));
            assert!(!is(&runs) || is_there("claimed"));
            go.send(()).unwrap();
        }
    };
    tokio::select! {
        _ = async { tokio::join!(run, yes) } => {}
        () = licensed => panic!("somebody signs until the end"),
    }
    let kinds = [
        "requested",
        "voted",
        "approved",
        "claimed",
        "started",
        "finished",
    ];
    assert_eq!(on_disk(place.path(), key.key(), "what"), kinds);
    assert_eq!(verify(place.path(), key.key()).unwrap().open_requests, 0);
}
