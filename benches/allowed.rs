//! What a call costs that policy allows: the bare call, the two floors, and the gate.

use std::hint::black_box;
use std::time::{Duration, Instant};

use approvals_benches::arguments::{Arguments, Options};
use approvals_benches::effort::Effort;
use approvals_benches::gate::{Bench, allowed_by_arguments, allowed_by_name};
use approvals_benches::sampling::{Contestant, Samples, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_benches::{Failure, floor, machine};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const BATCH: usize = 100;
const POLICIES: [usize; 3] = [1, 100, 10_000];

async fn export(database: &str, rows: u64, columns: &[String], options: &Options) -> u64 {
    rows + (database.len() + columns.len() + options.format.len()) as u64
}

/// A batch of calls by one task. The events go to the gate's buffer while the clock runs; with
/// `recorded`, also on to the store and the sink.
fn calls(
    runtime: &Runtime,
    bench: &Bench,
    arguments: &Arguments,
    by_name: bool,
    recorded: bool,
    times: usize,
) -> Result<Duration, Failure> {
    let Arguments {
        database,
        rows,
        columns,
        options,
    } = black_box(arguments);
    runtime.block_on(bench.scope(async {
        let start = Instant::now();
        for _ in 0..times {
            black_box(if by_name {
                allowed_by_name(database, *rows, columns, options).await?
            } else {
                allowed_by_arguments(database, *rows, columns, options).await?
            });
        }
        if recorded {
            bench.gate.flush().await;
        }
        let took = start.elapsed();
        bench.gate.flush().await;
        Ok(took)
    }))
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = floor::current_thread()?;
    let arguments = Arguments::everyday();
    let mut channel = mpsc::channel(BATCH);
    let benches = POLICIES
        .iter()
        .map(|count| Ok((*count, runtime.block_on(Bench::new(*count))?)))
        .collect::<Result<Vec<_>, Failure>>()?;

    let mut contestants = vec![
        Contestant::repeat(
            "floor: serde_json + SHA-256 of four arguments",
            BATCH,
            || floor::serialise_and_hash(&black_box(&arguments).borrowed()),
        ),
        Contestant::repeat("of that, serde_json", BATCH, || {
            serde_json::to_string(&black_box(&arguments).borrowed())
        }),
        Contestant::new("floor: one `try_send`", BATCH, |times| {
            floor::try_send(&mut channel, times)
        }),
        Contestant::new("the bare async call", BATCH, |times| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let Arguments {
                        database,
                        rows,
                        columns,
                        options,
                    } = black_box(&arguments);
                    black_box(export(database, *rows, columns, options).await);
                }
                Ok(start.elapsed())
            })
        }),
    ];
    let (runtime, arguments) = (&runtime, &arguments);
    for (count, bench) in &benches {
        contestants.push(Contestant::new(
            format!("gate, four arguments captured, {count} policies"),
            BATCH,
            move |times| calls(runtime, bench, arguments, false, false, times),
        ));
        contestants.push(Contestant::new(
            format!("gate, decided by name, {count} policies"),
            BATCH,
            move |times| calls(runtime, bench, arguments, true, false, times),
        ));
        if *count == 1 {
            for (by_name, what) in [
                (false, "four arguments captured"),
                (true, "decided by name"),
            ] {
                contestants.push(Contestant::new(
                    format!("gate, {what}, until stored and in the sink"),
                    BATCH,
                    move |times| calls(runtime, bench, arguments, by_name, true, times),
                ));
            }
        }
    }
    let samples = interleave(effort.rounds(2_001), contestants)?;
    println!(
        "## Allowed calls\n\n{}\n\n{}",
        machine::describe(),
        table(&samples)
    );
    Ok(())
}

/// Medians, each beside both floors.
fn table(samples: &[Samples]) -> Table {
    let median = |name: &str| {
        let found = samples.iter().find(|one| one.name.starts_with(name));
        found.map_or(f64::NAN, Samples::median)
    };
    let (hash, send) = (median("floor: serde_json"), median("floor: one"));
    let mut table = Table::new([
        "what",
        "median",
        "10th–90th percentile",
        "to serialise and hash",
        "to `try_send`",
    ]);
    for one in samples {
        table.row([
            one.name.clone(),
            time(one.median()),
            format!(
                "{} – {}",
                time(one.percentile(10)),
                time(one.percentile(90))
            ),
            ratio(one.median(), hash),
            ratio(one.median(), send),
        ]);
    }
    table
}
