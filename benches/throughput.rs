//! Whole cycles per second on two cores, with more and more other requests pending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, ReviewedRegistry};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_benches::{Failure, machine};
use tokio::runtime::Runtime;

const AGENTS: usize = 64;
const CYCLES: usize = 64 * 500;

struct Floor {
    runtime: Runtime,
    reviewed: Arc<ReviewedRegistry>,
}

impl Floor {
    fn with_pending(count: usize) -> Result<Self, Failure> {
        let runtime = floor::two_workers()?;
        let reviewed = runtime.block_on(async {
            let reviewed = Arc::new(ReviewedRegistry::start());
            for _ in 0..count {
                let (_, answer) = reviewed.registry().ask();
                tokio::spawn(answer);
            }
            reviewed
        });
        Ok(Self { runtime, reviewed })
    }

    fn run(&self, cycles: usize) -> Result<Duration, Failure> {
        self.runtime.block_on(async {
            let start = Instant::now();
            let agents: Vec<_> = (0..AGENTS)
                .map(|_| {
                    let reviewed = Arc::clone(&self.reviewed);
                    tokio::spawn(async move {
                        for _ in 0..cycles / AGENTS {
                            reviewed.cycle().await?;
                        }
                        Ok::<_, Failure>(())
                    })
                })
                .collect();
            for agent in agents {
                agent.await??;
            }
            Ok(start.elapsed())
        })
    }
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let floors: Vec<(usize, Floor)> = effort
        .parked_counts()
        .iter()
        .map(|count| Ok::<_, Failure>((*count, Floor::with_pending(*count)?)))
        .collect::<Result<_, _>>()?;
    let contestants = floors
        .iter()
        .map(|(count, floor)| {
            Contestant::new(format!("floor, {count} pending"), CYCLES, |cycles| {
                floor.run(cycles)
            })
        })
        .collect();
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
    println!(
        "## Throughput, two workers, {AGENTS} agents, one reviewing task\n\n{}\n\n{table}",
        machine::describe()
    );
    Ok(())
}
