//! One whole cycle in memory: ask, vote, claim, run, finish.

use std::hint::black_box;
use std::time::Instant;

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, Registry, ReviewedRegistry};
use approvals_benches::gate::{Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};

/// Few enough that most samples are taken in one slice of the processor.
const BATCH: usize = 20;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = floor::current_thread()?;
    let registry = Registry::default();
    let reviewed = runtime.block_on(async { ReviewedRegistry::start() });
    let arguments = Arguments::everyday();
    let bench = runtime.block_on(Bench::new(1))?;
    let sink = bench.sink.clone();
    let approving = runtime.block_on(async { bench.approve_everything() });

    let contestants = vec![
        Contestant::new(
            "floor: oneshot registry, asked and answered by one task",
            BATCH,
            |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        let (number, answer) = registry.ask();
                        registry.answer(number, true);
                        black_box(answer.await?);
                    }
                    Ok(start.elapsed())
                })
            },
        ),
        Contestant::new(
            "floor: oneshot registry, answered by a reviewing task",
            BATCH,
            |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        reviewed.cycle().await?;
                    }
                    Ok(start.elapsed())
                })
            },
        ),
        Contestant::new(
            "gate, answered by a reviewing task, every event in the sink",
            BATCH,
            |times| {
                let before = sink.count();
                let took = runtime.block_on(approving.scope(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        ask(&arguments, || ()).await?;
                    }
                    approving.gate.flush().await;
                    Ok::<_, Failure>(start.elapsed())
                }))?;
                // Requested, voted, approved, claimed, started, finished.
                if sink.count() - before != 6 * times as u64 {
                    return Err("the sink was not given every event".into());
                }
                Ok(took)
            },
        ),
    ];
    let samples = interleave(effort.rounds(3_001), contestants)?;

    println!(
        "## Whole cycle in memory, one thread\n\n{}\n\n{}",
        machine::describe(),
        Table::of_medians(&samples)
    );
    Ok(())
}
