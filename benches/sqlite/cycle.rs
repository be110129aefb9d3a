//! Whole cycles, beside the bare commits that they need.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_core::audit::NewEvent;
use approvals_core::review::{ClaimNow, Command, VoterNow, apply};
use approvals_core::store::{Opened, Swap, Swapped, encoding};
use approvals_core::{
    Choice, Limits, OwnerId, Reasons, Record, RequestId, RequestStore, SinkId, Timestamp, Verdict,
};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::{REVIEWERS, Sample, ballot, person};
use tokio::runtime::Runtime;

use crate::bare::{Asked, Bytes, Here};
use crate::rows::Rows;

/// Opened, approved, claimed and started, finished.
pub(crate) const COMMITS: usize = 4;
const AGENTS: usize = 64;
const LEASE: Duration = Duration::from_secs(30);

/// A record as it stands, with the time at which it was read.
type Standing = (Arc<Record>, Timestamp);

async fn read(store: &SqliteStore, id: RequestId) -> Result<Standing, Failure> {
    let snapshot = store.read(id).await?.ok_or("it is gone")?;
    Ok((snapshot.record, snapshot.now))
}

/// Carries a command out as the gate and the desk do.
async fn carry(
    store: &SqliteStore,
    (record, now): Standing,
    command: &Command,
) -> Result<Standing, Failure> {
    let id = record.id();
    let transition = apply(&record, command, now)?;
    let revision = transition.record.revision;
    let runs = matches!(command, Command::ClaimAndStart(_));
    let ends = matches!(command, Command::Finish { .. });
    let swap = Swap {
        expected: record.revision,
        record: Arc::new(transition.record),
        events: transition
            .events
            .into_iter()
            .map(|what| NewEvent::about(id, revision, what))
            .collect(),
        not_after: record.due_at().filter(|_| !ends),
        unfrozen: runs,
        stands: runs,
    };
    match store.compare_and_swap(swap).await? {
        Swapped::Done { record, .. } => Ok((record, now)),
        other => Err(format!("{other:?}").into()),
    }
}

/// One request from asking to its outcome. It is read where the desk and the caller that was woken
/// read it. `after` is told after each commit.
pub(crate) async fn cycle(
    store: &SqliteStore,
    table: &str,
    mut after: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<[Arc<Record>; COMMITS], Failure> {
    let limits = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let sample = Sample::at(store.now().await?).table(table).limits(limits);
    let Opened::Asked { record, .. } = store.open(sample.opening(), Vec::new()).await? else {
        return Err("people should be asked".into());
    };
    let id = record.id();
    after(0)?;
    let seen = read(store, id).await?;
    let yes = ballot(&seen.0.asked, seen.0.revision, "alice", Choice::Approve);
    let approved = carry(store, seen, &Command::Vote(Box::new(yes))).await?.0;
    after(1)?;
    let claim = Command::ClaimAndStart(Box::new(ClaimNow {
        owner: OwnerId::new(),
        lease: LEASE,
        frozen: false,
        verdict: Verdict::Allow(Reasons::rule("sample", "allowed now")?),
        policy_version: None,
        voters: vec![VoterNow {
            person: person("alice"),
            groups: BTreeSet::from([REVIEWERS.parse()?]).into_iter().collect(),
        }],
        excluded: BTreeSet::new().into_iter().collect(),
    }));
    let started = carry(store, read(store, id).await?, &claim).await?;
    after(2)?;
    let finish = Command::Finish {
        fence: started.0.fence,
        succeeded: true,
        summary: None,
    };
    let running = Arc::clone(&started.0);
    let finished = carry(store, started, &finish).await?.0;
    after(3)?;
    Ok([record, approved, running, finished])
}

/// What the commits of a cycle have to write: the record as it is then, and the events.
async fn needed(store: &SqliteStore, sink: &SinkId) -> Result<Vec<Bytes>, Failure> {
    let records = cycle(store, "needed", |_| Ok(())).await?;
    let events = store.events(sink, 100).await?;
    let bytes = |record: &Arc<Record>| {
        let events = events
            .iter()
            .filter(|event| event.revision == record.revision);
        Ok(Bytes {
            record: encoding::encode(record)?.len(),
            new: record.revision == 1,
            events: events
                .map(|event| Ok(encoding::encode_event(&event.what)?.len()))
                .collect::<Result<_, Failure>>()?,
        })
    };
    records.iter().map(bytes).collect()
}

async fn concurrently(store: &Arc<SqliteStore>, cycles: usize) -> Result<Duration, Failure> {
    let start = Instant::now();
    let agents: Vec<_> = (0..AGENTS)
        .map(|agent| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for n in 0..cycles / AGENTS {
                    cycle(&store, &format!("{agent}/{n}"), |_| Ok(())).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for agent in agents {
        agent.await??;
    }
    Ok(start.elapsed())
}

pub(crate) fn rates(runtime: &Runtime, directory: &Path, effort: Effort) -> Result<Table, Failure> {
    let here = Here::open(directory)?;
    let sink = SinkId::new("observer")?;
    let (asked, mut rows, store, needed) = runtime.block_on(async {
        let store = SqliteStore::open(directory.join("cycles.db")).await?;
        store.register_sink(&sink).await?;
        let needed = needed(&store, &sink).await?;
        let rows = Rows::of_a_cycle(directory).await?;
        Ok::<_, Failure>((Asked::open(directory).await?, rows, Arc::new(store), needed))
    })?;
    let asked = tokio::sync::Mutex::new(asked);
    let contestants = vec![
        Contestant::new(
            format!("{COMMITS} bare commits of the record and its events"),
            20,
            |cycles| runtime.block_on(async { asked.lock().await.cycles(cycles, &needed).await }),
        ),
        Contestant::new(
            format!("{COMMITS} commits of the same rows, with nothing judged"),
            20,
            |cycles| runtime.block_on(rows.cycles(cycles)),
        ),
        Contestant::new(
            format!("{COMMITS} bare commits of 200 bytes"),
            20,
            |cycles| runtime.block_on(async { asked.lock().await.small(cycles * COMMITS).await }),
        ),
        Contestant::new(
            format!("{COMMITS} of 200 bytes, by the thread that wants them"),
            20,
            |cycles| here.small(cycles * COMMITS),
        ),
        Contestant::new("one cycle at a time", 20, |cycles| {
            runtime.block_on(async {
                let start = Instant::now();
                for n in 0..cycles {
                    cycle(&store, &n.to_string(), |_| Ok(())).await?;
                }
                Ok(start.elapsed())
            })
        }),
        Contestant::new(format!("{AGENTS} at once"), AGENTS * 2, |cycles| {
            runtime.block_on(concurrently(&store, cycles))
        }),
    ];
    let samples = interleave(effort.rounds(41), contestants)?;
    let mut table = Table::new([
        "what",
        "cycles a second",
        "time for one",
        "rate to the first",
    ]);
    let first = samples.first().map_or(f64::NAN, |one| one.median());
    for one in &samples {
        table.row([
            one.name.clone(),
            format!("{:.0}", 1e9 / one.median()),
            time(one.median()),
            ratio(first, one.median()),
        ]);
    }
    Ok(table)
}
