//! From the yes to the body, with 10 000 other requests parked, and where the time goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, Then, and_tell_when_pending};
use approvals_benches::gate::{Bench, ask};
use approvals_benches::sampling::{Contestant, Samples, clock_cost, interleave};
use approvals_benches::stages::NotingStore;
use approvals_benches::table::{Table, time};
use approvals_benches::{Failure, machine};
use approvals_core::memory::MemoryStore;
use approvals_core::{RequestStore, spawn};
use approvals_testing::wrapping::Wrapping;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

const PARKED: usize = 10_000;

/// A gate with so many calls parked, which nobody answers.
async fn parked(store: Arc<dyn RequestStore>) -> Result<Arc<Mutex<Bench>>, Failure> {
    let mut bench = Bench::over(store, 1).await?;
    let (gate, requester) = (bench.gate.clone(), bench.requester.clone());
    gate.scope(requester.scope(async {
        for _ in 0..PARKED {
            spawn(async { ask(&Arguments::everyday(), || ()).await });
            bench.notices.recv().await;
        }
    }))
    .await;
    bench.gate.flush().await;
    Ok(Arc::new(Mutex::new(bench)))
}

/// The time when a vote is cast, and when the body that it releases is first polled.
async fn vote_to_body(
    bench: Arc<Mutex<Bench>>,
    arguments: Arc<Arguments>,
    before: impl FnOnce(),
) -> Result<(Instant, Instant), Failure> {
    let mut bench = bench.lock().await;
    let pending = Arc::new(AtomicBool::new(false));
    let waiter = bench
        .scope(async {
            let pending = Arc::clone(&pending);
            let task = spawn(async move {
                let call = ask(&arguments, Instant::now);
                and_tell_when_pending(call, pending).await
            });
            (task,)
        })
        .await
        .0;
    let notice = bench.notices.recv().await.ok_or("nobody was asked")?;
    floor::parked(&pending).await;
    before();
    let cast = Instant::now();
    bench.reviewer.approve(&notice).await?;
    let body = waiter.await??;
    bench.gate.flush().await;
    Ok((cast, body))
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let rounds = effort.rounds(20_000);
    let arguments = Arc::new(Arguments::everyday());
    println!(
        "## Yes to body, {PARKED} others parked\n\n{}\n",
        machine::describe()
    );
    println!(
        "Reading the clock twice takes {}; every sample holds it once.\n",
        time(clock_cost())
    );
    one_thread(rounds, &arguments)?;
    two_workers(rounds, &arguments)?;
    where_it_goes(rounds, &arguments)
}

fn one_thread(rounds: usize, arguments: &Arc<Arguments>) -> Result<(), Failure> {
    let place = floor::current_thread()?;
    let others = floor::park(&place, PARKED)?;
    let ours = floor::current_thread()?;
    let bench = ours.block_on(parked(Arc::new(MemoryStore::new())))?;
    let hash = || Then::Hash(Arc::clone(arguments));
    let samples = interleave(
        rounds,
        vec![
            Contestant::new("floor: wake-up, serialise, hash", 1, |_| {
                place.block_on(floor::wake_up(hash()))
            }),
            Contestant::new("of that, the wake-up", 1, |_| {
                place.block_on(floor::wake_up(Then::Nothing))
            }),
            Contestant::repeat("of that, serialise and hash", 1, || {
                floor::serialise_and_hash(&arguments.borrowed())
            }),
            Contestant::new("gate", 1, |_| once(&ours, &bench, arguments, false)),
        ],
    )?;
    println!("### One thread\n\n{}", Table::of_latencies(&samples));
    drop((others, place));
    Ok(())
}

fn once(
    place: &Runtime,
    bench: &Arc<Mutex<Bench>>,
    arguments: &Arc<Arguments>,
    inside: bool,
) -> Result<Duration, Failure> {
    let call = vote_to_body(Arc::clone(bench), Arc::clone(arguments), || ());
    let (cast, body) = if inside {
        place.block_on(async { tokio::spawn(call).await? })?
    } else {
        place.block_on(call)?
    };
    Ok(body.duration_since(cast))
}

fn two_workers(rounds: usize, arguments: &Arc<Arguments>) -> Result<(), Failure> {
    let place = floor::two_workers()?;
    let others = floor::park(&place, PARKED)?;
    let ours = floor::two_workers()?;
    let bench = ours.block_on(parked(Arc::new(MemoryStore::new())))?;
    let hash = || Then::Hash(Arc::clone(arguments));
    for (inside, from) in [
        (true, "a task on them"),
        (false, "a thread that is none of them"),
    ] {
        let floor = |then: Then| {
            let wake_up = floor::wake_up(then);
            if inside {
                place.block_on(async { tokio::spawn(wake_up).await? })
            } else {
                place.block_on(wake_up)
            }
        };
        let samples = interleave(
            rounds,
            vec![
                Contestant::new("floor: wake-up, serialise, hash", 1, |_| floor(hash())),
                Contestant::new("of that, the wake-up", 1, |_| floor(Then::Nothing)),
                Contestant::new("gate", 1, |_| once(&ours, &bench, arguments, inside)),
            ],
        )?;
        println!(
            "### Two workers, the yes comes from {from}\n\n{}",
            Table::of_latencies(&samples)
        );
    }
    drop(others);
    Ok(())
}

/// The stages of the way, in a run of its own: taking notes takes time.
fn where_it_goes(rounds: usize, arguments: &Arc<Arguments>) -> Result<(), Failure> {
    let place = floor::current_thread()?;
    let store = Arc::new(Wrapping(NotingStore::default()));
    let bench = place.block_on(parked(Arc::clone(&store) as Arc<dyn RequestStore>))?;
    let mut stages: BTreeMap<usize, (&str, Vec<f64>)> = BTreeMap::new();
    for _ in 0..rounds {
        let call = vote_to_body(Arc::clone(&bench), Arc::clone(arguments), || store.forget());
        let (cast, body) = place.block_on(call)?;
        let noted = store.stages(cast, body).ok_or("a stage was not noted")?;
        let whole = ("all of these, in the same run", body - cast);
        for (place, (name, took)) in noted.into_iter().chain([whole]).enumerate() {
            let (_, all) = stages.entry(place).or_insert((name, Vec::new()));
            all.push(took.as_secs_f64() * 1e9);
        }
    }
    let mut table = Table::new(["stage", "p50", "p99"]);
    for (name, nanoseconds) in stages.into_values() {
        let samples = Samples::new(name, nanoseconds);
        table.row([
            name.to_owned(),
            time(samples.median()),
            time(samples.percentile(99)),
        ]);
    }
    println!("### Where it goes, one thread, with notes taken at each stage\n\n{table}");
    Ok(())
}
