//! The SQLite store beside bare commits to a file of its own, with the same durability.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::effort::Effort;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_benches::{Failure, machine};
use approvals_core::audit::NewEvent;
use approvals_core::review::{ClaimNow, Command, State, VoterNow, apply};
use approvals_core::store::{Filter, Opened, Swap, Swapped};
use approvals_core::{Choice, Limits, OwnerId, Reasons, Record, RequestStore, SinkId, Verdict};
use approvals_sqlite::SqliteStore;
use approvals_testing::sample::{REVIEWERS, Sample, ballot, person};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::runtime::Runtime;

/// Opened, approved, claimed, started, finished.
const COMMITS: usize = 5;
const AGENTS: usize = 64;
const LEASE: Duration = Duration::from_secs(30);

async fn connect(path: &Path) -> Result<SqliteConnection, Failure> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    Ok(options.connect().await?)
}

/// A file with one table, and commits of one small row.
struct Bare(SqliteConnection);

impl Bare {
    async fn open(directory: &Path) -> Result<Self, Failure> {
        let mut connection = connect(&directory.join("bare.db")).await?;
        sqlx::raw_sql("CREATE TABLE bare (a INTEGER PRIMARY KEY, b BLOB NOT NULL)")
            .execute(&mut connection)
            .await?;
        Ok(Self(connection))
    }

    async fn commits(&mut self, count: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            sqlx::query("BEGIN IMMEDIATE; INSERT INTO bare (b) VALUES (?); COMMIT")
                .bind([7_u8; 200].as_slice())
                .execute(&mut self.0)
                .await?;
        }
        Ok(start.elapsed())
    }
}

async fn carry(
    store: &SqliteStore,
    record: &Record,
    command: &Command,
) -> Result<Arc<Record>, Failure> {
    let id = record.id();
    let snapshot = store.read(id).await?.ok_or("it is gone")?;
    let transition = apply(&snapshot.record, command, snapshot.now)?;
    let revision = transition.record.revision;
    let swap = Swap {
        expected: snapshot.record.revision,
        record: Arc::new(transition.record),
        events: transition
            .events
            .into_iter()
            .map(|what| NewEvent::about(id, revision, what))
            .collect(),
        not_after: snapshot.record.due_at(),
        unfrozen: false,
        stands: matches!(command, Command::Claim(_) | Command::Start { .. }),
    };
    match store.compare_and_swap(swap).await? {
        Swapped::Done { record, .. } => Ok(record),
        other => Err(format!("{other:?}").into()),
    }
}

/// One request from asking to its outcome, read before every step.
async fn cycle(store: &SqliteStore, table: &str) -> Result<(), Failure> {
    let limits = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let sample = Sample::at(store.now().await?).table(table).limits(limits);
    let Opened::Asked { record, .. } = store.open(sample.opening(), Vec::new()).await? else {
        return Err("people should be asked".into());
    };
    let yes = ballot(&record.asked, record.revision, "alice", Choice::Approve);
    let record = carry(store, &record, &Command::Vote(Box::new(yes))).await?;
    let claim = Command::Claim(Box::new(ClaimNow {
        owner: OwnerId::new(),
        lease: LEASE,
        frozen: false,
        verdict: Verdict::Allow(Reasons::rule("sample", "allowed now")?),
        voters: vec![VoterNow {
            person: person("alice"),
            groups: BTreeSet::from([REVIEWERS.parse()?]).into_iter().collect(),
        }],
        excluded: BTreeSet::new().into_iter().collect(),
    }));
    let record = carry(store, &record, &claim).await?;
    let State::Claimed { claim, .. } = record.state else {
        return Err("it should be claimed".into());
    };
    let start = Command::Start {
        fence: claim.fence,
        owner: claim.owner,
        frozen: false,
        lease: LEASE,
    };
    let record = carry(store, &record, &start).await?;
    let finish = Command::Finish {
        fence: claim.fence,
        succeeded: true,
        summary: None,
    };
    carry(store, &record, &finish).await?;
    Ok(())
}

async fn concurrently(store: &Arc<SqliteStore>, cycles: usize) -> Result<Duration, Failure> {
    let start = Instant::now();
    let agents: Vec<_> = (0..AGENTS)
        .map(|agent| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for n in 0..cycles / AGENTS {
                    cycle(&store, &format!("{agent}/{n}")).await?;
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

/// A store with so many requests pending: one that was asked, and copies of its row.
async fn filled(directory: &Path, pending: usize) -> Result<SqliteStore, Failure> {
    let path = directory.join(format!("{pending}.db"));
    let store = SqliteStore::open(&path).await?;
    let sample = Sample::at(store.now().await?);
    store.open(sample.opening(), Vec::new()).await?;
    store.close().await;
    let mut connection = connect(&path).await?;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, deliveries, record)
         SELECT randomblob(16), revision, schema, phase, finished, due_at + i, randomblob(32), found, randomblob(32), waiter, review_owed, action, changed_at, deliveries, record
         FROM n, (SELECT * FROM requests LIMIT 1)",
    )
    .bind(i64::try_from(pending)?)
    .execute(&mut connection)
    .await?;
    drop(connection);
    Ok(SqliteStore::open(&path).await?)
}

fn rates(runtime: &Runtime, directory: &Path, effort: Effort) -> Result<Table, Failure> {
    let (mut bare, store) = runtime.block_on(async {
        let store = SqliteStore::open(directory.join("cycles.db")).await?;
        store.register_sink(&SinkId::new("observer")?).await?;
        Ok::<_, Failure>((Bare::open(directory).await?, Arc::new(store)))
    })?;
    let contestants = vec![
        Contestant::new(format!("{COMMITS} bare commits"), 20, |cycles| {
            runtime.block_on(bare.commits(cycles * COMMITS))
        }),
        Contestant::new("one cycle at a time", 20, |cycles| {
            runtime.block_on(async {
                let start = Instant::now();
                for n in 0..cycles {
                    cycle(&store, &n.to_string()).await?;
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

fn lookups(runtime: &Runtime, directory: &Path, effort: Effort) -> Result<Table, Failure> {
    let counts: [usize; 2] = match effort {
        Effort::Full => [10_000, 1_000_000],
        Effort::Quick => [10_000, 100_000],
        Effort::Smoke => [100, 1_000],
    };
    let mut table = Table::new(["what", "pending", "median", "to the fewest"]);
    let stores = counts
        .iter()
        .map(|count| Ok((*count, runtime.block_on(filled(directory, *count))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    for what in ["a page of 50", "a due scan of 50"] {
        let contestants = stores.iter().map(|(count, store)| {
            Contestant::new(format!("{count}"), 20, move |times| {
                runtime.block_on(async {
                    let filter = Filter {
                        phases: vec![approvals_core::Phase::Pending],
                        ..Filter::default()
                    };
                    let start = Instant::now();
                    for _ in 0..times {
                        if what == "a page of 50" {
                            store.list(&filter, None, 50).await?;
                        } else {
                            store.due(50).await?;
                        }
                    }
                    Ok(start.elapsed())
                })
            })
        });
        let samples = interleave(effort.rounds(41), contestants.collect())?;
        let first = samples.first().map_or(f64::NAN, |one| one.median());
        for one in samples {
            table.row([
                what.to_owned(),
                one.name.clone(),
                time(one.median()),
                ratio(one.median(), first),
            ]);
        }
    }
    Ok(table)
}

/// Where the files are: on the disk that builds are on, which a directory for temporary files need
/// not be.
fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("the program is nowhere")?;
    let directory = beside.join(format!("sqlite-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let directory = directory()?;
    let tables = rates(&runtime, &directory, effort)
        .and_then(|rates| Ok((rates, lookups(&runtime, &directory, effort)?)));
    std::fs::remove_dir_all(&directory)?;
    let (rates, lookups) = tables?;
    println!(
        "## SQLite: a whole cycle beside the bare commits it needs\n\n{}\n\n{rates}\n\n{lookups}",
        machine::describe()
    );
    Ok(())
}
