//! Building the index of a log, and the questions that are asked of it most.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_audit::index::{Index, Period, Question, Standing};
use approvals_audit::{AuditLog, Ed25519Signer, SignedLog, Signer, Verifier};
use approvals_benches::effort::Effort;
use approvals_benches::files::directory;
use approvals_benches::memory::resident_bytes;
use approvals_benches::table::{Table, ratio, time};
use approvals_benches::trail::Trail;
use approvals_benches::{Failure, floor, machine};
use approvals_core::{AuditSink, RequestId, Timestamp};

/// How often a question is asked.
const ASKED: usize = 101;

fn main() -> Result<(), Failure> {
    let sizes: &[u64] = match Effort::from_command_line() {
        Effort::Full => &[100_000, 1_000_000, 10_000_000],
        Effort::Quick => &[100_000, 1_000_000],
        Effort::Smoke => &[2_000],
    };
    let directory = directory()?;
    let measured = measure(&directory, sizes);
    std::fs::remove_dir_all(&directory)?;
    let (building, asking) = measured?;
    println!("## Questions about a log\n\n{}\n", machine::describe());
    println!("{building}\n{asking}");
    Ok(())
}

/// One log that grows, so that the larger ones are not written from their beginning.
fn measure(directory: &Path, sizes: &[u64]) -> Result<(Table, Table), Failure> {
    let mut building = Table::new([
        "entries",
        "log",
        "verified in",
        "indexed from nothing in",
        "to verifying",
        "index",
        "1,000 more indexed in",
        "resident bytes grew by",
    ]);
    let mut asking = Table::new([
        "question",
        "entries",
        "found",
        "median",
        "to the first size",
    ]);
    let mut first: Vec<f64> = Vec::new();
    let runtime = floor::current_thread()?;
    let key = Arc::new(Ed25519Signer::generate("example.com/bench")?);
    let keys = [key.key().clone()];
    let path = directory.join("log");
    let mut trail = Trail::begin()?;
    let mut written = 0;
    for size in sizes {
        written += runtime.block_on(write(&path, &key, &mut trail, size - written))?;
        let since = Instant::now();
        Verifier::new(&path, keys.clone()).run()?;
        let verified = since.elapsed();
        let file = directory.join(format!("{size}.index"));
        let index = Index::open(&file)?;
        let before = resident_bytes()?;
        let log = SignedLog::open(&path, &keys)?;
        let since = Instant::now();
        index.update(&log)?;
        let indexed = since.elapsed();
        let grew = resident_bytes()?.saturating_sub(before);
        written += runtime.block_on(write(&path, &key, &mut trail, 1_000))?;
        let since = Instant::now();
        index.update(&SignedLog::open(&path, &keys)?)?;
        let more = since.elapsed();
        building.row([
            size.to_string(),
            megabytes(bytes_of(&path)?),
            seconds(verified),
            seconds(indexed),
            ratio(indexed.as_secs_f64(), verified.as_secs_f64()),
            megabytes(std::fs::metadata(&file)?.len()),
            seconds(more),
            megabytes(grew as u64),
        ]);
        for (at, (what, found, nanoseconds)) in ask(&index, trail.now())?.into_iter().enumerate() {
            if first.len() == at {
                first.push(nanoseconds);
            }
            let to = first.get(at).copied().unwrap_or(nanoseconds);
            asking.row([
                what,
                size.to_string(),
                found.to_string(),
                time(nanoseconds),
                ratio(nanoseconds, to),
            ]);
        }
        drop(index);
        std::fs::remove_file(&file)?;
    }
    Ok((building, asking))
}

/// Appends at least so many events, and returns how many.
async fn write(
    path: &Path,
    key: &Arc<Ed25519Signer>,
    trail: &mut Trail,
    least: u64,
) -> Result<u64, Failure> {
    let log = Arc::new(AuditLog::at(path, key.clone()).open().await?);
    let mut written = 0;
    let mut before: Option<tokio::task::JoinHandle<Result<(), approvals_core::AuditError>>> = None;
    while written < least {
        // The next events are made while the last are written.
        let events = trail.more(least.saturating_sub(written).min(8_192) as usize)?;
        written += events.len() as u64;
        if let Some(before) = before.take() {
            before.await??;
        }
        let log = Arc::clone(&log);
        before = Some(tokio::spawn(async move { log.record(&events).await }));
        tokio::task::yield_now().await;
    }
    if let Some(before) = before {
        before.await??;
    }
    if let Some(log) = Arc::into_inner(log) {
        log.close().await;
    }
    Ok(written)
}

/// The commonest questions: what was found, and the median time of an answer in nanoseconds.
fn ask(index: &Index, now: Timestamp) -> Result<Vec<(String, u64, f64)>, Failure> {
    let month = Timestamp::from_millis(now.as_millis().saturating_sub(30 * 86_400_000));
    let day = Period::of(now.minus(Duration::from_secs(86_400)), now)?;
    let find = |question: Question| move || Ok(index.find(&question, None, 50)?.found.len() as u64);
    let some = index.find(&Question::new().action("db.action-7"), None, 1)?;
    let request: Option<RequestId> = some.found.first().and_then(|found| found.request);
    let mut answers = Vec::new();
    let mut asked = |what: &str, times, ask: &dyn Fn() -> Result<u64, Failure>| {
        let mut found = 0;
        let mut samples = Vec::new();
        for _ in 0..times {
            let since = Instant::now();
            found = ask()?;
            samples.push(since.elapsed().as_nanos() as f64);
        }
        samples.sort_unstable_by(f64::total_cmp);
        let median = samples.get(samples.len() / 2).copied();
        answers.push((what.to_owned(), found, median.unwrap_or(f64::NAN)));
        Ok::<(), Failure>(())
    };
    asked(
        "the last 50 of an action",
        ASKED,
        &find(Question::new().action("db.action-7")),
    )?;
    asked(
        "the last 50 on a resource",
        ASKED,
        &find(Question::new().resource("db/table-42")),
    )?;
    asked(
        "the last 50 for a person",
        ASKED,
        &find(Question::new().requester("person:user-7")),
    )?;
    asked(
        "the last 50 that a reviewer voted on, of a month",
        ASKED,
        &find(Question::new().reviewer("reviewer-7").from(month)),
    )?;
    asked(
        "the last 50 that were denied",
        ASKED,
        &find(Question::new().standing(Standing::Denied)),
    )?;
    asked("what became of one request", ASKED, &|| match request {
        Some(request) => Ok(index.steps(request)?.len() as u64),
        None => Ok(0),
    })?;
    asked("rates of a day", ASKED, &|| {
        Ok(index.rates(day, None)?.asked)
    })?;
    asked("time to decision of a day", ASKED, &|| {
        Ok(index
            .time_to_decision(day, None)?
            .map_or(0, |time| time.decided))
    })?;
    asked("rates of all time", 5, &|| {
        Ok(index.rates(Period::all(), None)?.asked)
    })?;
    asked("time to decision of all time", 5, &|| {
        Ok(index
            .time_to_decision(Period::all(), None)?
            .map_or(0, |time| time.decided))
    })?;
    asked("rules that have not fired for a month", ASKED, &|| {
        let rules = ["reads-are-free", "changes-are-reviewed", "never"];
        Ok(index.stale_rules(rules, month)?.len() as u64)
    })?;
    Ok(answers)
}

fn bytes_of(path: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
