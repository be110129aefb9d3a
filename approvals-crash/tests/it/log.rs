//! Several processes on one PostgreSQL and one log, which are killed while they hold it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use approvals_audit::{AuditLog, Directory, Ed25519Signer, Signer as _, Verifier, VerifierKey};
use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
use approvals_core::{Gate, Limits, RedactionKey, RequestId, RequestStore, Requirement, SinkId};
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::{PrivateServer, StartError};
use approvals_testing::sample::{REVIEWERS, Sample};

const PLACE: &str = "APPROVALS_CRASH_LOG_IN";
const NAME: &str = "APPROVALS_CRASH_LOG_AS";
const REPLICAS: usize = 3;
const CALLS_AT_ONCE: usize = 4;

/// Where a replica finds everything.
struct Files {
    log: PathBuf,
    key: PathBuf,
    url: PathBuf,
}

impl Files {
    fn of(place: &Path) -> Self {
        let at = |name| place.join(name);
        Self {
            log: at("log"),
            key: at("key"),
            url: at("url"),
        }
    }
}

async fn replica(files: &Files, approver: &InMemoryApprover) -> (Gate, Arc<dyn RequestStore>) {
    let url = std::fs::read_to_string(&files.url).unwrap();
    let store = PostgresStore::builder(&url).max_connections(6);
    let store: Arc<dyn RequestStore> = Arc::new(store.connect().await.unwrap());
    let people = InMemoryDirectory::new();
    people.person("alice", [REVIEWERS]).unwrap();
    people.person("bob", ["owners"]).unwrap();
    let key = Arc::new(Ed25519Signer::from_file(&files.key).unwrap());
    let log = AuditLog::at(&files.log, key).shared(store.clone(), SinkId::new("log").unwrap());
    let gate = Gate::builder(store.clone(), Arc::new(people))
        .policy("sample", Requirement::one_of(REVIEWERS).unwrap())
        .approver("test", approver.connect())
        .redaction_key(RedactionKey::new("test", vec![7; 32]).unwrap())
        .limits(Limits {
            pending: u32::MAX,
            asks_per_hour: u32::MAX,
            ..Limits::default()
        })
        .lease(Duration::from_millis(1500))
        .required_audit_sink("log", Arc::new(log.open().await.unwrap()));
    (gate.build().await.unwrap(), store)
}

/// Whether the log has the claim of this request now: what licenses its body.
fn is_licensed(log: &Path, key: &VerifierKey, request: RequestId) -> bool {
    let directory = Directory::at(log);
    let size = directory
        .checkpoint(std::slice::from_ref(key))
        .unwrap()
        .size;
    let request = request.to_string();
    (size.saturating_sub(2000)..size).rev().any(|index| {
        let entry = directory.entry(index, size).unwrap();
        let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
        entry["what"] == "claimed" && entry["request"] == request.as_str()
    })
}

/// Not a test by itself: a replica, which makes calls and says yes to its own until it is killed.
#[test]
#[ignore = "run by the test that kills it"]
fn makes_calls_until_it_is_killed() {
    let (Ok(place), Ok(name)) = (std::env::var(PLACE), std::env::var(NAME)) else {
        return;
    };
    let files = Files::of(Path::new(&place));
    let key = Ed25519Signer::from_file(&files.key).unwrap().key().clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let approver = InMemoryApprover::new();
        let (gate, store) = replica(&files, &approver).await;
        let calls: Vec<_> = (0..CALLS_AT_ONCE)
            .map(|task| {
                let (gate, store) = (gate.clone(), store.clone());
                let (log, key, name) = (files.log.clone(), key.clone(), name.clone());
                tokio::spawn(async move {
                    for number in 0_u64.. {
                        let now = store.now().await.unwrap();
                        let sample = Sample::at(now).table(&format!("{name}-{task}-{number}"));
                        let admitted = match gate.authorize(sample.call()).await {
                            Ok(admitted) => admitted,
                            Err(error) => {
                                println!("refused {error}");
                                continue;
                            }
                        };
                        match admitted.start(&sample.call()).await {
                            Ok(permit) => {
                                let request = permit.request_id().unwrap();
                                let licensed = is_licensed(&log, &key, request);
                                println!("{} {request}", if licensed { "ran" } else { "LOOSE" });
                                permit.finish(true).await;
                            }
                            Err(error) => println!("refused {error}"),
                        }
                    }
                })
            })
            .collect();
        loop {
            let pending = approver.next().await;
            // A request whose caller has gone is decided by nobody.
            let _ = pending.approve_as("alice").await;
            assert!(calls.iter().all(|task| !task.is_finished()));
        }
    });
}

/// Numbers that look random and are the same for the same seed.
struct Random(u64);

impl Random {
    const fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The process that holds the log's lock, as the system says.
fn holder_of(log: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(log.join("lock")).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 4711 fe:01:123456 0 EOF`
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, file, ..] = words[..] else {
            return None;
        };
        let of_log = file.rsplit(':').next() == Some(&inode.to_string());
        of_log.then(|| process.parse().ok()).flatten()
    })
}

fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The replica that holds the log, stopped while it does.
fn stopped_holder(running: &[Running], log: &Path) -> usize {
    let begun = Instant::now();
    loop {
        let holder = holder_of(log);
        let found = running
            .iter()
            .position(|one| Some(one.child.id()) == holder);
        if let (Some(found), Some(holder)) = (found, holder) {
            signal(holder, "-STOP");
            if holder_of(log) == Some(holder) {
                return found;
            }
            // It let go of it in between.
            signal(holder, "-CONT");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nobody holds the log"
        );
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

struct Running {
    child: Child,
    reader: JoinHandle<()>,
}

fn start(place: &Path, name: String, said: &Arc<Mutex<Vec<String>>>) -> Running {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "log::makes_calls_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(PLACE, place)
        .env(NAME, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = Arc::clone(said);
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            said.lock().unwrap().push(line);
        }
    });
    Running { child, reader }
}

impl Running {
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
    }
}

fn count(said: &Mutex<Vec<String>>, what: &str) -> usize {
    let said = said.lock().unwrap();
    said.iter().filter(|line| line.starts_with(what)).count()
}

/// Waits until so many more bodies have run than had, so that every kill meets a log in use.
fn wait_for_runs(said: &Mutex<Vec<String>>, runs: usize) {
    let begun = Instant::now();
    while count(said, "ran") < runs {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{:?}",
            said.lock().unwrap().last()
        );
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn replicas_that_are_killed_hand_one_log_over_without_gap_duplicate_or_fork() {
    let server = match PrivateServer::start() {
        Ok(server) => server,
        Err(StartError::NotInstalled) => {
            let required = std::env::var_os("APPROVALS_POSTGRES_REQUIRED").is_some();
            assert!(
                !required,
                "tests of PostgreSQL are required, and it is not installed"
            );
            return;
        }
        Err(StartError::Failed(error)) => panic!("{error}"),
    };
    let kills: u64 = match std::env::var("APPROVALS_CRASH_LOG_KILLS") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 20,
    };
    let place = std::env::temp_dir().join(format!("approvals-crash-log-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let files = Files::of(&place);
    let key = Ed25519Signer::generate("example.com/approvals").unwrap();
    std::fs::write(&files.key, key.private()).unwrap();
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(&files.url, server.url("postgres")).unwrap();
    let said = Arc::default();
    let mut running: Vec<Running> = (0..REPLICAS)
        .map(|n| start(&place, format!("r{n}"), &said))
        .collect();
    let by_clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = std::env::var("APPROVALS_CRASH_LOG_SEED").map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|_| u64::from(by_clock().unwrap().subsec_nanos()));
    println!("APPROVALS_CRASH_LOG_SEED={seed}");
    let mut random = Random(seed);
    let (mut remembered, mut holders) = (Vec::new(), 0);
    for kill in 0..kills {
        // A log in use, at any moment of it.
        wait_for_runs(&said, count(&said, "ran") + 1);
        std::thread::park_timeout(Duration::from_micros(random.below(50_000)));
        // Now and then somebody who waits for the log, or is about to take it.
        let victim = match random.below(5) {
            0 => usize::try_from(random.below(REPLICAS as u64)).unwrap(),
            _ => {
                holders += 1;
                stopped_holder(&running, &files.log)
            }
        };
        running.swap_remove(victim).kill();
        // As it was left, and whatever the others have made of it since.
        let mut verifier = Verifier::new(&files.log, [key.key().clone()]);
        if let Some(seen) = remembered.last() {
            verifier = verifier.remembering(Clone::clone(seen));
        }
        remembered.push(verifier.run().unwrap().checkpoint);
        running.push(start(&place, format!("k{kill}"), &said));
    }
    wait_for_runs(&said, count(&said, "ran") + 1);
    running.into_iter().for_each(Running::kill);
    // One more takes the log over, and has everything in it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let stored = runtime.unwrap().block_on(async {
        let (gate, store) = replica(&files, &InMemoryApprover::new()).await;
        let stored = store.append(Vec::new()).await.unwrap();
        let sink = SinkId::new("log").unwrap();
        let begun = Instant::now();
        while store
            .events(&sink, 1)
            .await
            .unwrap()
            .first()
            .is_some_and(|e| e.number <= stored)
        {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the log is not fed any more"
            );
            gate.flush().await;
        }
        stored
    });
    let mut verifier = Verifier::new(&files.log, [key.key().clone()]);
    for seen in remembered {
        verifier = verifier.remembering(seen);
    }
    let report = verifier.run().unwrap();
    assert!(report.entries >= stored, "{} of {stored}", report.entries);
    let directory = Directory::at(&files.log);
    let mut ids = std::collections::HashSet::new();
    let mut claimed = std::collections::HashSet::new();
    for index in 0..report.entries {
        let entry = directory.entry(index, report.entries).unwrap();
        let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
        assert_eq!(entry["number"], index + 1);
        assert!(
            ids.insert(entry["id"].as_str().unwrap().to_owned()),
            "{entry}"
        );
        if entry["what"] == "claimed" {
            claimed.insert(entry["request"].as_str().unwrap().to_owned());
        }
    }
    let (ran, loose, refused) = (
        count(&said, "ran"),
        count(&said, "LOOSE"),
        count(&said, "refused"),
    );
    for line in said.lock().unwrap().iter() {
        if let Some(request) = line.strip_prefix("ran ") {
            assert!(claimed.contains(request), "{request} ran, and is not there");
        }
    }
    println!(
        "{kills} kills, {holders} of them of the process that held the log, {ran} bodies, {refused} refusals, {} entries",
        report.entries
    );
    assert_eq!(loose, 0, "bodies ran whose claim was not in the log");
    std::fs::remove_dir_all(&place).unwrap();
}
