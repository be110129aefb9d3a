//! Processes that are killed while they append.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use approvals_audit::{
    AuditLog, Checkpoint, Ed25519Signer, SignedLog, Signer, Told, Verifier, VerifierKey,
};
use approvals_core::{AuditSink, Event};

use crate::stories::Dice;
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
                        let [first, last] = [some.first(), some.last()].map(|e| e.unwrap().number);
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "kept {first} {last}").unwrap();
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

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum When {
    /// So long after it acknowledged an event that the log did not have before.
    Acknowledging(Duration),
    /// So long after it was started: while it opens the log, or before it has done anything.
    Opening(Duration),
}

/// Starts the process, and kills it. The numbers of all events that it acknowledged.
fn killed(place: &Path, had: u64, when: When) -> BTreeSet<u64> {
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
        let mut all = BTreeSet::new();
        for line in lines.map_while(Result::ok) {
            let Some(kept) = line.strip_prefix("kept ") else {
                continue;
            };
            // A line may have been cut short by the kill.
            let numbers: Vec<u64> = kept.split(' ').filter_map(|n| n.parse().ok()).collect();
            let [first, last] = numbers[..] else {
                continue;
            };
            all.extend(first..=last);
            if last > had {
                let _ = sender.send(());
            }
        }
        all
    });
    let wait = match when {
        When::Acknowledging(wait) => {
            // Not a bound on anything but a log that is never written.
            begun.recv_timeout(Duration::from_secs(60)).unwrap();
            wait
        }
        When::Opening(wait) => wait,
    };
    std::thread::park_timeout(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// What became of the rounds.
#[derive(Debug, Default)]
struct Rounds {
    /// Something new had been acknowledged when it was killed.
    useful: u64,
    /// Nothing had, or all that there is was there before.
    others: u64,
    /// Events that were acknowledged, each counted once.
    acknowledged: u64,
    /// Entries that nobody was told of, and are there all the same.
    unacknowledged: u64,
    /// How many bundles were open.
    torn: BTreeSet<usize>,
}

/// That the log has every acknowledged event, in its place and provably so, and no other than those
/// of the trail, in their order.
/// What it had the last time was compared then, and is under the checkpoint that is remembered.
fn holds(
    log: &Path,
    key: &VerifierKey,
    (trail, had): (&[Event], u64),
    acknowledged: &BTreeSet<u64>,
) -> u64 {
    let keys = std::slice::from_ref(key);
    let signed = SignedLog::open(log, keys).unwrap();
    let size = signed.checkpoint().size;
    let last = acknowledged.last().copied().unwrap_or(0);
    assert!(size >= last, "{size} entries, and {last} was acknowledged");
    let mut next = had;
    let new = trail.iter().skip(usize::try_from(had).unwrap());
    for (entry, event) in signed.entries(had).zip(new) {
        let entry = entry.unwrap();
        assert_eq!((entry.number, entry.id), (event.number, event.id));
        assert_eq!(entry.told, Told::Whole(Box::new(event.clone())));
        if acknowledged.contains(&entry.number) {
            let proof = signed.proof(entry.index).unwrap();
            let shown = proof.verify(entry.entry.as_bytes(), keys).unwrap();
            assert_eq!(shown.size, size);
        }
        next += 1;
    }
    assert_eq!(next, size);
    size
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let kills = number("APPROVALS_AUDIT_KILLS").unwrap_or(500);
    let by_clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("APPROVALS_AUDIT_KILLS_SEED");
    let seed = seed.unwrap_or_else(|| by_clock().unwrap().subsec_nanos().into());
    println!("APPROVALS_AUDIT_KILLS_SEED={seed}");
    // Two at a time, since a round mostly waits.
    std::thread::scope(|scope| {
        let half = kills.div_ceil(2);
        let other = scope.spawn(move || kill(half, Dice::new(seed.wrapping_add(1))));
        println!("{:?}", kill(half, Dice::new(seed)));
        println!("{:?}", other.join().unwrap());
    });
}

/// So many useful kills.
fn kill(kills: u64, mut dice: Dice) -> Rounds {
    let mut rounds = Rounds::default();
    let mut house = House::new();
    while rounds.useful < kills {
        assert!(rounds.others < kills.max(20), "{rounds:?}");
        let when = match dice.below(10) {
            0 => When::Opening(Duration::from_micros(dice.below(30_000))),
            _ => When::Acknowledging(Duration::from_micros(dice.below(30_000))),
        };
        house.round(when, &mut rounds);
        if house.size == EVENTS {
            house = House::new();
        }
    }
    rounds
}

/// A log that is killed again and again.
struct House {
    place: tempfile::TempDir,
    key: Arc<Ed25519Signer>,
    trail: Vec<Event>,
    /// How many entries it had when it was last looked at.
    size: u64,
    remembered: Option<Checkpoint>,
}

impl House {
    fn new() -> Self {
        let (place, key, trail) = begin();
        Self {
            place,
            key,
            trail,
            size: 0,
            remembered: None,
        }
    }

    fn round(&mut self, when: When, rounds: &mut Rounds) {
        let mut acknowledged = killed(self.place.path(), self.size, when);
        let had = self.size;
        // What had been acknowledged before is acknowledged at once, and was looked at then.
        acknowledged.retain(|number| *number > had);
        let told = acknowledged.len() as u64;
        if told > 0 {
            rounds.useful += 1;
        } else {
            rounds.others += 1;
        }
        rounds.acknowledged += told;
        let log = self.place.path().join("log");
        if !log.join("checkpoint").exists() {
            assert_eq!(told, 0);
            return;
        }
        rounds.torn.insert(open_files(&log));
        // As it was left: whoever only reads it, before anybody opens it for writing.
        let mut verifier = Verifier::new(&log, [self.key.key().clone()]);
        if let Some(seen) = &self.remembered {
            verifier = verifier.remembering(seen.clone());
        }
        let left = verifier.run().unwrap();
        let size = holds(&log, self.key.key(), (&self.trail, had), &acknowledged);
        assert_eq!(size, left.entries);
        // And once the next writer has opened it.
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let reopened = AuditLog::at(&log, self.key.clone()).open();
        let close = async { reopened.await.unwrap().close().await };
        runtime.unwrap().block_on(close);
        let report = verifier.run().unwrap();
        assert_eq!(report.checkpoint, left.checkpoint);
        let new = report.entries - had;
        rounds.unacknowledged += new - told;
        self.size = report.entries;
        self.remembered = Some(report.checkpoint);
    }
}

/// Each look at a log reads all of it, so a house is left before it is long.
const EVENTS: u64 = 1000;

fn begin() -> (tempfile::TempDir, Arc<Ed25519Signer>, Vec<Event>) {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let path = place.path().join("key");
    fs::write(&path, key.private()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let trail = trail(EVENTS);
    let text = serde_json::to_vec(&trail).unwrap();
    fs::write(place.path().join("trail"), text).unwrap();
    (place, key, trail)
}

fn open_files(log: &Path) -> usize {
    fs::read_dir(log.join("open")).unwrap().count()
}
