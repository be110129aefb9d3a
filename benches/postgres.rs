//! Requests in PostgreSQL: a whole cycle, a yes in one process to the body in another, and what a
//! page and a due scan cost among a million pending requests.
//!
//! Starts a server of its own, with the settings that PostgreSQL comes with: every commit is
//! flushed.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::gate::{Approving, Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};
use approvals_core::review::{ClaimNow, Command, VoterNow, apply};
use approvals_core::store::{Delivery, DeliveryState, Filter, Opened, Swap, Swapped};
use approvals_core::{
    Choice, Coverage, GroupId, Limits, NewEvent, OwnerId, Phase, Reasons, RequestStore, Verdict,
    spawn,
};
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::{PrivateServer, StartError};
use approvals_testing::sample::{REVIEWERS, Sample, ballot, person};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener};
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
    across(&runtime, &url, effort.rounds(1_001))?;
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

/// The transactions of one cycle, with nothing judged: asked, delivered, voted, claimed, started,
/// finished. What they write is as large, and events are numbered by a counter.
struct Bare {
    connection: PgConnection,
    record: String,
    event: String,
    asked: i64,
}

impl Bare {
    async fn new(url: &str) -> Result<Self, Failure> {
        let mut connection = beside(url, "public").await?;
        let tables = "CREATE TABLE IF NOT EXISTS bare (id bigint PRIMARY KEY, record text); \
             CREATE TABLE IF NOT EXISTS trail (number bigint PRIMARY KEY, what text); \
             CREATE TABLE IF NOT EXISTS counter (last bigint); \
             INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT FROM counter)";
        connection.execute(sqlx::raw_sql(tables)).await?;
        Ok(Self {
            connection,
            record: text_of(2_600),
            event: text_of(300),
            asked: 0,
        })
    }

    async fn commit(&mut self, write: &'static str, events: i64) -> Result<(), Failure> {
        let statement = format!(
            "WITH written AS ({write}), numbered AS \
             (UPDATE counter SET last = last + $3 RETURNING last) \
             INSERT INTO trail SELECT last - n, $4 FROM numbered, generate_series(0, $3 - 1) AS n"
        );
        self.connection.execute(sqlx::raw_sql("BEGIN")).await?;
        sqlx::query(AssertSqlSafe(statement))
            .bind(self.asked)
            .bind(&self.record)
            .bind(events)
            .bind(&self.event)
            .execute(&mut self.connection)
            .await?;
        self.connection.execute(sqlx::raw_sql("COMMIT")).await?;
        Ok(())
    }

    async fn cycle(&mut self) -> Result<(), Failure> {
        const CHANGE: &str = "UPDATE bare SET record = $2 WHERE id = $1";
        self.asked += 1;
        self.commit("INSERT INTO bare VALUES ($1, $2)", 1).await?;
        // The delivery that was noted: a row of a few hundred bytes.
        sqlx::query("UPDATE bare SET id = id WHERE id = $1")
            .bind(self.asked)
            .execute(&mut self.connection)
            .await?;
        // Voted and approved, claimed, started, finished.
        for events in [2, 1, 1, 1] {
            self.commit(CHANGE, events).await?;
        }
        Ok(())
    }
}

/// Text that compresses about as well as a record.
fn text_of(bytes: usize) -> String {
    (0..bytes / 13)
        .map(|n| format!("\"n{n:06}\":{n:03},"))
        .collect()
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

/// What a cycle asks of the store, with nobody around it: open, note the delivery, vote, claim,
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
    store.note_delivery(record.id(), delivery).await?;
    let owner = OwnerId::new();
    let lease = Duration::from_secs(30);
    let alice = VoterNow {
        person: person("alice"),
        groups: BTreeSet::from([GroupId::new(REVIEWERS)?]).into(),
    };
    for command in [
        Command::Vote(Box::new(ballot(&record.asked, 1, "alice", Choice::Approve))),
        Command::Claim(Box::new(ClaimNow {
            owner,
            lease,
            frozen: false,
            verdict: Verdict::Allow(Reasons::rule("bench", "allowed now")?),
            voters: vec![alice],
            excluded: BTreeSet::new().into(),
        })),
        Command::Start {
            fence: 1,
            owner,
            frozen: false,
            lease,
        },
        Command::Finish {
            fence: 1,
            succeeded: true,
            summary: None,
        },
    ] {
        let runs = matches!(command, Command::Claim(_) | Command::Start { .. });
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

/// Two stores with connections of their own stand for two processes.
fn across(runtime: &Runtime, url: &str, rounds: usize) -> Result<(), Failure> {
    let (mut asking, voting) = runtime.block_on(async {
        let asking = Bench::over(store(url, "across").await?, 1).await?;
        let voting = Bench::over(store(url, "across").await?, 1).await?;
        Ok::<_, Failure>((asking, voting))
    })?;
    let (mut bare, mut listener) = runtime.block_on(async {
        let mut listener = PgListener::connect(url).await?;
        listener.listen("bare").await?;
        Ok::<_, Failure>((Bare::new(url).await?, listener))
    })?;
    runtime.block_on(bare.commit("INSERT INTO bare VALUES ($1, $2)", 1))?;
    let arguments = Arc::new(Arguments::everyday());
    let samples = interleave(
        rounds,
        vec![
            Contestant::new("floor: bare commit, NOTIFY, wake", 1, |_| {
                runtime.block_on(async {
                    let start = Instant::now();
                    let told = async {
                        bare.commit(
                            "UPDATE bare SET record = $2 WHERE id = $1 RETURNING pg_notify('bare', '1')",
                            2,
                        )
                        .await
                    };
                    let heard = async { listener.recv().await.map(|_| Instant::now()) };
                    let (told, heard) = tokio::join!(told, heard);
                    told?;
                    Ok(heard?.duration_since(start))
                })
            }),
            Contestant::new("yes in one, body in the other", 1, |_| {
                let arguments = Arc::clone(&arguments);
                runtime.block_on(async {
                    let call = asking
                        .scope(async {
                            let call = spawn(async move { ask(&arguments, Instant::now).await });
                            (call,)
                        })
                        .await;
                    let notice = asking.notices.recv().await.ok_or("nobody was asked")?;
                    asking.gate.flush().await;
                    let start = Instant::now();
                    voting.reviewer.approve(&notice).await?;
                    Ok(call.0.await??.duration_since(start))
                })
            }),
        ],
    )?;
    println!(
        "### A yes in one process to the body in another\n\n{}",
        Table::of_latencies(&samples)
    );
    Ok(())
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
