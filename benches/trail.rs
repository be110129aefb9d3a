//! The log of approvals: what it takes to keep an event, to verify many, and to prove one.
//!
//! `cargo bench -p approvals-benches --bench trail`; `-- 10000` verifies so many events, and proves
//! one of ten times as many, where a million takes too long.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_audit::{
    AuditLog, Checkpoint, Directory, Ed25519Signer, Entries, EntryProof, Frontier, Hash, Note,
    Signer as _, Tile, Verifier,
};
use approvals_benches::Failure;
use approvals_benches::table::{Table, ratio, time};
use approvals_core::review::Vote;
use approvals_core::{
    AuditSink as _, ChannelId, ChannelIdentity, Choice, Event, EventId, Groups, OwnerId, Timestamp,
    What,
};
use approvals_testing::sample::{Sample, person};
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "example.com/approvals";
const WRITERS: usize = 64;
const ROUNDS: usize = 12;
const COMMITS: usize = 40;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|text| !text.starts_with("--"));
    let first = arguments.next();
    if let (Some("verify"), Some(path), Some(key)) =
        (first.as_deref(), arguments.next(), arguments.next())
    {
        return verify_here(Path::new(&path), &key);
    }
    let events: u64 = first.map_or(Ok(1_000_000), |text| text.parse())?;
    let place = directory()?;
    appending(&place)?;
    verifying(&place, "", Trail::new(), events)?;
    // Each takes memory of the verifier until it is over, and these never are.
    let open = Trail::left_approved();
    verifying(&place, " of requests that are all still open", open, events)?;
    proving(&place, 10 * events)?;
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// On the disk that builds are on, which a directory for temporary files need not be.
fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("the program is nowhere")?;
    let directory = beside.join(format!("trail-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Events as a gate stores them: one request after the other is asked, approved and run.
struct Trail {
    number: u64,
    life: Vec<What>,
    request: Option<(approvals_core::RequestId, Timestamp)>,
    /// How many of the last events of each request are left out.
    left_out: usize,
}

impl Trail {
    const fn new() -> Self {
        Self {
            number: 0,
            life: Vec::new(),
            request: None,
            left_out: 0,
        }
    }

    /// Nobody runs what was approved.
    fn left_approved() -> Self {
        Self {
            left_out: 3,
            ..Self::new()
        }
    }

    fn next(&mut self) -> Result<Event, Failure> {
        if self.life.is_empty() {
            self.begin()?;
        }
        self.number += 1;
        let what = self.life.pop().ok_or("a life has no event")?;
        let (id, at) = self.request.ok_or("there is no request")?;
        Ok(Event {
            number: self.number,
            id: EventId::new(),
            at,
            request: Some(id),
            revision: 1,
            what,
        })
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let at = Timestamp::from_millis(1_700_000_000_000 + self.number);
        let opening = Sample::at(at)
            .table(&format!("table-{}", self.number))
            .opening();
        let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
        let vote = Vote {
            person: person("alice"),
            identity: ChannelIdentity::new(ChannelId::new("chat")?, "", "alice"),
            groups: Groups::new(),
            choice: Choice::Approve,
            comment: None,
            at,
            revision: 2,
            seats: Vec::new(),
        };
        let shown = opening.asked.shown;
        self.request = Some((opening.asked.id, at));
        // The last comes first.
        self.life = vec![
            What::Finished {
                fence,
                succeeded: true,
                summary: None,
            },
            What::Started { fence, owner },
            What::Claimed {
                fence,
                owner,
                struck: 0,
                policy_version: None,
            },
            What::Approved,
            What::Voted {
                vote: Arc::new(vote),
                shown,
                seen_revision: 1,
            },
            What::Requested {
                asked: opening.asked,
            },
        ];
        self.life.drain(..self.left_out);
        Ok(())
    }

    fn take(&mut self, events: usize) -> Result<Vec<Event>, Failure> {
        (0..events).map(|_| self.next()).collect()
    }
}

/// What a log has to do at least: the same bytes, flushed as often, and a checkpoint that is there
/// after a crash.
struct Bare {
    place: PathBuf,
    entries: File,
    presentations: File,
    checkpoint: File,
}

/// What becomes of the checkpoint, once the entries are flushed.
#[derive(Clone, Copy)]
enum Kept {
    /// It is replaced by a new file, as whoever serves it needs.
    Replaced,
    /// It is written over the one before and flushed: the least that keeps it.
    InPlace,
    Not,
}

impl Bare {
    fn new(place: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&place)?;
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.create(true).append(true).open(place.join(name))
        };
        let (entries, presentations) = (open("entries")?, open("presentations")?);
        let mut checkpoint = File::create(place.join("in place"))?;
        checkpoint.write_all(&[0; 4096])?;
        checkpoint.sync_all()?;
        Ok(Self {
            place,
            entries,
            presentations,
            checkpoint,
        })
    }

    fn commit(&mut self, bytes: &Bytes, checkpoint: Kept) -> Result<(), Failure> {
        if !bytes.presentations.is_empty() {
            self.presentations.write_all(&bytes.presentations)?;
            self.presentations.sync_data()?;
        }
        self.entries.write_all(&bytes.entries)?;
        self.entries.sync_data()?;
        match checkpoint {
            Kept::Replaced => {
                let before = self.place.join("checkpoint.new");
                let mut file = File::create(&before)?;
                file.write_all(&bytes.checkpoint)?;
                file.sync_all()?;
                fs::rename(&before, self.place.join("checkpoint"))?;
                File::open(&self.place)?.sync_all()?;
            }
            Kept::InPlace => {
                self.checkpoint.rewind()?;
                self.checkpoint.write_all(&bytes.checkpoint)?;
                self.checkpoint.sync_data()?;
            }
            Kept::Not => {}
        }
        Ok(())
    }
}

/// What one commit of a log writes.
#[derive(Default)]
struct Bytes {
    entries: Vec<u8>,
    presentations: Vec<u8>,
    checkpoint: Vec<u8>,
}

fn bytes_of(place: &Path, events: &[Event]) -> Result<Bytes, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let log = AuditLog::at(place, key()?).open().await?;
        let mut first = events.to_vec();
        for (number, event) in (1..).zip(&mut first) {
            event.number = number;
        }
        log.record(&first).await?;
        log.close().await;
        let presentations = place.join("shown/0");
        Ok(Bytes {
            entries: Directory::at(place).bundle(0, events.len() as u64)?,
            presentations: if presentations.exists() {
                fs::read(presentations)?
            } else {
                Vec::new()
            },
            checkpoint: fs::read(place.join("checkpoint"))?,
        })
    })
}

fn key() -> Result<Arc<Ed25519Signer>, Failure> {
    Ok(Arc::new(Ed25519Signer::generate(ORIGIN)?))
}

fn appending(place: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for writers in [WRITERS, 1] {
        let mut trail = Trail::new();
        let sample = trail.take(writers.max(6))?;
        // One writer's events differ much: what each of a life takes, in turn.
        let bytes: Vec<Bytes> = if writers == 1 {
            let each = sample.iter().enumerate();
            let each = each.map(|(n, event)| {
                bytes_of(&place.join(format!("one-{n}")), std::slice::from_ref(event))
            });
            each.collect::<Result<_, _>>()?
        } else {
            vec![bytes_of(&place.join("many"), &sample)?]
        };
        let mut bare = Bare::new(place.join(format!("bare-{writers}")))?;
        let mut trail = Trail::new();
        let path = place.join(format!("log-{writers}"));
        let log = Arc::new(runtime.block_on(AuditLog::at(&path, key()?).open())?);
        let [mut replaced, mut in_place, mut only_data, mut ours] = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            for (times, checkpoint) in [
                (&mut replaced, Kept::Replaced),
                (&mut in_place, Kept::InPlace),
                (&mut only_data, Kept::Not),
            ] {
                for n in 0..COMMITS {
                    let bytes = bytes.get(n % bytes.len()).ok_or("nothing to write")?;
                    let begun = Instant::now();
                    bare.commit(bytes, checkpoint)?;
                    times.push(begun.elapsed());
                }
            }
            for _ in 0..COMMITS {
                let events = trail.take(writers)?;
                let begun = Instant::now();
                runtime.block_on(async {
                    // Each waits for its own event, as callers of a gate do. On one thread: events
                    // are recorded in the order of their numbers, which several would not keep.
                    let waiting = events.into_iter().map(|event| {
                        let log = Arc::clone(&log);
                        tokio::spawn(async move { log.record(std::slice::from_ref(&event)).await })
                    });
                    for waits in waiting.collect::<Vec<_>>() {
                        waits.await??;
                    }
                    Ok::<(), Failure>(())
                })?;
                ours.push(begun.elapsed());
            }
        }
        println!("\n## {writers} events at once are durable\n");
        let mut table = Table::new([
            "what",
            "p50",
            "mean",
            "p99",
            "events/s",
            "share of the first",
            "of the second",
        ]);
        let rate = |times: &[Duration]| {
            let whole: Duration = times.iter().sum();
            (times.len() * writers) as f64 / whole.as_secs_f64()
        };
        let mean = |times: &[Duration]| {
            let whole: Duration = times.iter().sum();
            whole.as_nanos() as f64 / times.len() as f64
        };
        let (first, second) = (rate(&replaced), rate(&in_place));
        for (name, times) in [
            ("write, flush, checkpoint replaced", &mut replaced),
            ("write, flush, checkpoint in place", &mut in_place),
            ("write, flush", &mut only_data),
            ("the log", &mut ours),
        ] {
            times.sort_unstable();
            let at = |percent: usize| {
                let place = times.len() * percent / 100;
                times
                    .get(place)
                    .map_or(f64::NAN, |time| time.as_nanos() as f64)
            };
            table.row([
                name.to_owned(),
                time(at(50)),
                time(mean(times)),
                time(at(99)),
                format!("{:.0}", rate(times)),
                ratio(rate(times), first),
                ratio(rate(times), second),
            ]);
        }
        println!("{table}");
    }
    Ok(())
}

fn verifying(place: &Path, which: &str, mut trail: Trail, events: u64) -> Result<(), Failure> {
    let path = place.join(format!("verified-{}", trail.left_out));
    let key = key()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let log = AuditLog::at(&path, key.clone()).open().await?;
        let mut left = usize::try_from(events)?;
        while left > 0 {
            let some = left.min(8192);
            log.record(&trail.take(some)?).await?;
            left -= some;
        }
        log.close().await;
        Ok::<(), Failure>(())
    })?;
    let directory = Directory::at(&path);
    let mut bytes = 0;
    let (mut floor, mut parsed, mut ours) = (f64::MAX, f64::MAX, f64::MAX);
    let mut memory = String::new();
    for _ in 0..3 {
        let begun = Instant::now();
        bytes = raw(&directory, events, false)?;
        floor = floor.min(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        raw(&directory, events, true)?;
        parsed = parsed.min(begun.elapsed().as_secs_f64());
        let mut verify = std::process::Command::new(std::env::current_exe()?);
        verify
            .args(["verify".as_ref(), path.as_os_str()])
            .arg(key.key().to_string());
        let output = verify.output()?;
        let said = String::from_utf8(output.stdout)?;
        let (seconds, peak) = said
            .trim()
            .split_once(' ')
            .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        ours = ours.min(seconds.parse()?);
        peak.clone_into(&mut memory);
    }
    println!("\n## {events} events{which}, {bytes} bytes, are verified\n");
    let mut table = Table::new(["what", "time", "events/s", "rate to the first"]);
    for (name, seconds) in [
        ("SHA-256 and JSON, values kept", parsed),
        ("SHA-256 and JSON, nothing kept", floor),
        ("the verifier", ours),
    ] {
        table.row([
            name.to_owned(),
            time(seconds * 1e9),
            format!("{:.0}", events as f64 / seconds),
            ratio(parsed, seconds),
        ]);
    }
    println!("{table}\nthe verifier took {memory} of memory at most");
    Ok(())
}

/// Hashes and parses every entry, and keeps nothing.
fn raw(directory: &Directory, events: u64, keeps: bool) -> Result<u64, Failure> {
    let mut bytes = 0;
    for bundle in 0..events.div_ceil(256) {
        let read = directory.bundle(bundle, events)?;
        for entry in Entries::of(&read) {
            std::hint::black_box(Sha256::digest(entry));
            if keeps {
                std::hint::black_box(serde_json::from_slice::<serde_json::Value>(entry)?);
            } else {
                serde_json::from_slice::<serde::de::IgnoredAny>(entry)?;
            }
            bytes += entry.len() as u64;
        }
    }
    Ok(bytes)
}

/// In a process of its own, so that its memory is nobody else's.
fn verify_here(path: &Path, key: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    Verifier::new(path, [key.parse()?]).run()?;
    let seconds = begun.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{seconds} {}", peak.unwrap_or("unknown").trim());
    Ok(())
}

/// A log whose hashes are those of so many entries, which are not written themselves: a proof reads
/// none of them.
fn proving(place: &Path, entries: u64) -> Result<(), Failure> {
    let path = place.join("proved");
    let key = key()?;
    let mut levels: Vec<(Vec<u8>, u64, Frontier)> = Vec::new();
    let mut whole = Frontier::new();
    let write = |level: u8, index: u64, bytes: &[u8]| -> Result<(), Failure> {
        let width = (bytes.len() / 32) as u64;
        let file = path.join(Tile::hashes(level, index).of_width(width).to_string());
        fs::create_dir_all(file.parent().ok_or("a tile has no directory")?)?;
        Ok(fs::write(file, bytes)?)
    };
    for n in 0..entries {
        let mut hash = Hash::of_leaf(&n.to_be_bytes());
        whole.push(hash);
        for level in 0_u8.. {
            if levels.len() <= level.into() {
                levels.push((Vec::new(), 0, Frontier::new()));
            }
            let Some((bytes, index, tree)) = levels.get_mut(usize::from(level)) else {
                break;
            };
            bytes.extend_from_slice(hash.as_bytes());
            tree.push(hash);
            if tree.size() < 256 {
                break;
            }
            write(level, *index, bytes)?;
            bytes.clear();
            *index += 1;
            hash = std::mem::take(tree).root();
        }
    }
    for (level, (bytes, index, _)) in (0_u8..).zip(&levels) {
        if !bytes.is_empty() {
            write(level, *index, bytes)?;
        }
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: entries,
        root: whole.root(),
    };
    let note = Note::signed(&checkpoint.text(), [&*key as _])?.to_string();
    fs::write(path.join("checkpoint"), note)?;
    let keys = [key.key().clone()];
    let (mut made, mut checked, mut reads, mut read) = (Vec::new(), Vec::new(), 0, 0);
    const PROOFS: u64 = 200;
    for n in 0..PROOFS {
        let index = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % entries;
        // Nothing is remembered from the one before.
        let directory = Directory::at(&path);
        let before = traffic();
        let begun = Instant::now();
        let proof = EntryProof::of(&directory, index, &keys)?;
        made.push(begun.elapsed());
        let after = traffic();
        reads += after.0 - before.0;
        read += after.1 - before.1;
        let begun = Instant::now();
        proof.verify(&index.to_be_bytes(), &keys)?;
        checked.push(begun.elapsed());
    }
    println!("\n## One of {entries} entries is proved\n");
    let mut table = Table::new(["what", "p50", "p99"]);
    for (name, times) in [("making a proof", &mut made), ("checking it", &mut checked)] {
        times.sort_unstable();
        let at = |percent: usize| {
            times
                .get(times.len() * percent / 100)
                .map_or(f64::NAN, |time| time.as_nanos() as f64)
        };
        table.row([name.to_owned(), time(at(50)), time(at(99))]);
    }
    println!(
        "{table}\nmaking one takes {:.1} reads of {:.0} bytes together",
        reads as f64 / PROOFS as f64,
        read as f64 / PROOFS as f64
    );
    Ok(())
}

/// How many reads this process has made, and of how many bytes.
fn traffic() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
    };
    (number("syscr:"), number("rchar:"))
}
