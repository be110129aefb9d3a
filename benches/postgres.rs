//! Requests in PostgreSQL: a whole cycle, and what a page and a due scan cost among a million pending
//! requests.
//!
//! Starts a server of its own, with the settings that PostgreSQL comes with: every commit is
//! flushed.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::arguments::Arguments;
use approvals_benches::bare::Bare;
use approvals_benches::effort::Effort;
use approvals_benches::gate::{Approving, Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};
use approvals_core::review::{ClaimNow, Command, VoterNow, apply};
use approvals_core::store::{Delivery, DeliveryState, Filter, Opened, Swap, Swapped};
use approvals_core::{
    Choice, Coverage, GroupId, Limits, NewEvent, OwnerId, Phase, Reasons, Receipt, RequestStore,
    Verdict, spawn,
};
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::{PrivateServer, StartError};
use approvals_testing::sample::{REVIEWERS, Sample, ballot, person};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::runtime::{Builder, Runtime};

const BATCH: usize = 10;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let server = match PrivateServer::start() {
        Ok(server) => server,
        Err(StartError::NotInstalled) => {
            println!("## PostgreSQL\n\nNot measured: it is not installed here.");
            return Ok(());
        }
        Err(StartError::Failed(error)) => return Err(error.into()),
    };
    let url = server.url("postgres");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // What is dropped here ends its connections in the background.
    let _entered = runtime.enter();
    println!("## PostgreSQL\n\n{}\n", machine::describe());
    cycle(&runtime, &url, effort.rounds(101))?;
    let (few, many) = match effort {
        Effort::Full => (10_000, 1_000_000),
        Effort::Quick => (10_000, 100_000),
        Effort::Smoke => (100, 1_000),
    };
    among_many(&runtime, &url, effort.rounds(1_001), few, many)
}

async fn store(url: &str, schema: &str) -> Result<Arc<PostgresStore>, Failure> {
    let store = PostgresStore::builder(url).schema(schema).connect();
    Ok(Arc::new(store.await?))
}

async fn beside(url: &str, schema: &str) -> Result<PgConnection, Failure> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.options([("search_path", schema)]).connect().await?)
}

fn cycle(runtime: &Runtime, url: &str, rounds: usize) -> Result<(), Failure> {
    let mut bare = runtime.block_on(Bare::new(url))?;
    let approving = runtime.block_on(async {
        let bench = Bench::over(store(url, "cycle").await?, 1).await?;
        Ok::<_, Failure>(bench.approve_everything())
    })?;
    let alone = runtime.block_on(store(url, "alone"))?;
    let arguments = Arguments::everyday();
    let samples = interleave(
        rounds,
        vec![
            Contestant::new("floor: the bare transactions", BATCH, |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        bare.cycle().await?;
                    }
                    Ok(start.elapsed())
                })
            }),
            Contestant::new("the store alone", BATCH, |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        commands(&alone).await?;
                    }
                    Ok(start.elapsed())
                })
            }),
            Contestant::new("gate, with its worker and a sink", BATCH, |times| {
                runtime.block_on(whole(&approving, &arguments, times))
            }),
        ],
    )?;
    println!("### A whole cycle\n\n{}", Table::of_medians(&samples));
    Ok(())
}

/// What a cycle asks of the store, with nobody around it: open, note the delivery, vote, claim and
/// start, finish.
async fn commands(store: &PostgresStore) -> Result<(), Failure> {
    let plenty = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let opening = Sample::at(store.now().await?).limits(plenty).opening();
    let delivery = Delivery {
        channel: "bench".parse()?,
        coverage: Coverage::Whole,
        state: DeliveryState::Intended,
        revision: 1,
    };
    let opened = store.open(opening, vec![delivery.clone()]).await?;
    let Opened::Asked { mut record, .. } = opened else {
        return Err(format!("people should be asked: {opened:?}").into());
    };
    let delivered = Delivery {
        state: DeliveryState::Delivered(Receipt::none()),
        ..delivery
    };
    store.note_delivery(record.id(), delivered).await?;
    let owner = OwnerId::new();
    let lease = Duration::from_secs(30);
    let alice = VoterNow {
        person: person("alice"),
        groups: BTreeSet::from([GroupId::new(REVIEWERS)?]).into(),
    };
    for command in [
        Command::Vote(Box::new(ballot(&record.asked, 1, "alice", Choice::Approve))),
        Command::ClaimAndStart(Box::new(ClaimNow {
            owner,
            lease,
            frozen: false,
            verdict: Verdict::Allow(Reasons::rule("bench", "allowed now")?),
            policy_version: None,
            voters: vec![alice],
            excluded: BTreeSet::new().into(),
        })),
        Command::Finish {
            fence: 1,
            succeeded: true,
            summary: None,
        },
    ] {
        let runs = matches!(command, Command::ClaimAndStart(_));
        let transition = apply(&record, &command, record.changed_at)?;
        let (id, revision) = (record.id(), transition.record.revision);
        let about = |what| NewEvent::about(id, revision, what);
        let swap = Swap {
            expected: record.revision,
            record: Arc::new(transition.record),
            events: transition.events.into_iter().map(about).collect(),
            not_after: record.due_at(),
            unfrozen: runs,
            stands: runs,
        };
        record = match store.compare_and_swap(swap).await? {
            Swapped::Done { record, .. } => record,
            other => return Err(format!("it should be done: {other:?}").into()),
        };
    }
    Ok(())
}

async fn whole(
    approving: &Approving,
    arguments: &Arguments,
    times: usize,
) -> Result<Duration, Failure> {
    approving
        .scope(async {
            let start = Instant::now();
            for _ in 0..times {
                ask(arguments, || ()).await?;
            }
            let took = start.elapsed();
            approving.gate.flush().await;
            Ok(took)
        })
        .await
}

/// Stores as many pending requests as wanted: copies of one.
async fn filled(url: &str, schema: &str, wanted: i64) -> Result<Arc<PostgresStore>, Failure> {
    let store = store(url, schema).await?;
    let mut bench = Bench::over(Arc::<PostgresStore>::clone(&store), 1).await?;
    let asked = bench
        .scope(async {
            let call = spawn(async { ask(&Arguments::everyday(), || ()).await });
            (call,)
        })
        .await;
    bench.notices.recv().await.ok_or("nobody was asked")?;
    let mut connection = beside(url, schema).await?;
    let row = sqlx::query(
        "SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute \
         WHERE attrelid = 'requests'::regclass AND attnum > 0 AND NOT attisdropped \
         AND attname NOT IN ('id', 'due_at', 'digest', 'bucket')",
    )
    .fetch_one(&mut connection)
    .await?;
    let columns: String = row.try_get("columns")?;
    let copies = format!(
        "INSERT INTO requests (id, due_at, digest, bucket, {columns}) \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), r.due_at + n, sha256(n::text::bytea), \
         sha256((n % 1000)::text::bytea), {columns} \
         FROM (SELECT * FROM requests LIMIT 1) r, generate_series(1, {wanted}) AS n; \
         VACUUM ANALYZE requests"
    );
    for statement in copies.split("; ") {
        let statement = AssertSqlSafe(statement.to_owned());
        connection.execute(sqlx::raw_sql(statement)).await?;
    }
    asked.0.abort();
    Ok(store)
}

fn among_many(
    runtime: &Runtime,
    url: &str,
    rounds: usize,
    few: i64,
    many: i64,
) -> Result<(), Failure> {
    let small = runtime.block_on(filled(url, "few", few))?;
    let large = runtime.block_on(filled(url, "many", many))?;
    let pending = Filter {
        phases: vec![Phase::Pending],
        ..Filter::default()
    };
    let page = |store: &PostgresStore| {
        let start = Instant::now();
        let page = runtime.block_on(store.list(&pending, None, 50))?;
        black_box(page);
        Ok(start.elapsed())
    };
    let due = |store: &PostgresStore| {
        let start = Instant::now();
        black_box(runtime.block_on(store.due(256))?);
        Ok(start.elapsed())
    };
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(format!("a page of 50 among {few}"), 1, |_| page(&small)),
            Contestant::new(format!("a page of 50 among {many}"), 1, |_| page(&large)),
        ],
    )?;
    println!("### A page of the list\n\n{}", Table::of_medians(&samples));
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(format!("a due scan among {few}"), 1, |_| due(&small)),
            Contestant::new(format!("a due scan among {many}"), 1, |_| due(&large)),
        ],
    )?;
    println!("### A due scan\n\n{}", Table::of_medians(&samples));
    Ok(())
}
